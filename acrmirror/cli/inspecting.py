"""The command that shows one image."""

import typer

from acrmirror.cli.messages import image_or_tags
from acrmirror.cli.options import At, Image, OutputOption, client_of
from acrmirror.cli.output import Output, at_second, console, in_bytes, print_json, print_table, safe


def inspect(context: typer.Context, image: Image, at: At = None, output: OutputOption = Output.TABLE) -> None:
    """Show one image: platforms, layers, referrers, the tag's history."""
    with client_of(context, output) as client:
        found = image_or_tags(client, image, at)
    if output is Output.JSON:
        print_json(found)
        return
    named = f"{found['repository']}{':' + found['tag'] if found['tag'] else ''}"
    console.print(f"[bold]{safe(named)}[/bold]\n{safe(found['digest'])}\n{safe(found['media_type'])}", soft_wrap=True)
    # Older function apps do not tell of it.
    if proof := found.get("proof"):
        told = f"proven at {at_second(proof['at'])}" if proof["proven"] else f"not proven: {'; '.join(proof['wrong'])}"
        console.print(safe(told), soft_wrap=True)
    for variant in found["images"]:
        # Older function apps do not tell artifacts' types.
        platform = safe(variant["platform"] or variant.get("artifact_type") or "no platform")
        digest = safe(variant["digest"])
        console.print(f"\n[bold]{platform}[/bold]  {in_bytes(variant['size'])}  {digest}", soft_wrap=True)
        print_table(
            ("  LAYER", "SIZE", "TYPE"),
            ((f"  {it['digest']}", in_bytes(it["size"]), it["media_type"]) for it in variant["layers"]),
            right=("SIZE",),
        )
    if found["referrers"]:
        console.print("\n[bold]referrers[/bold]")
        print_table(
            ("  DIGEST", "KIND"), ((f"  {it['digest']}", it["artifact_type"] or "") for it in found["referrers"])
        )
    if found["history"]:
        console.print("\n[bold]history[/bold]")
        rows = ((f"  {at_second(it['at'])}", it["kind"], it["digest"]) for it in found["history"])
        print_table(("  TIME", "KIND", "DIGEST"), rows)
