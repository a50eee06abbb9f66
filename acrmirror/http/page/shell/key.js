/** The function key: kept for this tab alone, and gone with it. */

const NAME = "acrmirror-key";

export const read = () => sessionStorage.getItem(NAME);

export const keep = (key) => sessionStorage.setItem(NAME, key);

export const forget = () => sessionStorage.removeItem(NAME);
