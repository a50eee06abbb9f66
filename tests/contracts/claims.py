"""What claims promise to a copy, whoever keeps them."""

from acrmirror.copying.ports import Claims
from acrmirror.reference import Digest

LAYER, OTHER = Digest.of(b"a layer"), Digest.of(b"another")


class ClaimsContract:
    """Derive `Test…` from it, with fixtures `ours` and `theirs`: the claims as two workers ask for them."""

    def test_a_blob_is_claimed_by_one_worker_at_a_time(self, ours: Claims, theirs: Claims) -> None:
        assert ours.acquire(LAYER) is not None
        assert theirs.acquire(LAYER) is None
        assert theirs.acquire(OTHER) is not None

    def test_what_was_released_is_free(self, ours: Claims, theirs: Claims) -> None:
        claim = ours.acquire(LAYER)
        assert claim is not None
        claim.renew(1)
        claim.release()
        assert theirs.acquire(LAYER) is not None

    def test_a_second_release_frees_nothing_of_another_worker(self, ours: Claims, theirs: Claims) -> None:
        claim = ours.acquire(LAYER)
        assert claim is not None
        claim.release()
        assert theirs.acquire(LAYER) is not None
        claim.release()
        assert ours.acquire(LAYER) is None
