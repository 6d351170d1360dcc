"""The page a browser or OBS shows: the picture, edge to edge, and a word when it is gone."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<title>Omokage</title>
<style nonce="{nonce}">
html,body{{margin:0;height:100%;background:#16191e;color:#eceef2;font:16px system-ui,sans-serif}}
img{{width:100%;height:100%;object-fit:contain;display:block}}
p{{position:fixed;inset:0;margin:auto;height:1.5em;text-align:center}}
[hidden]{{display:none}}
</style>
<img id="picture" alt="The picture of Omokage"><p id="word" hidden>Omokage is not running</p>
<script nonce="{nonce}">
const picture = document.getElementById("picture"), word = document.getElementById("word");
const words = location.search;
let there = false;
function show(now) {{
  if (now === there) return;
  there = now;
  picture.hidden = !now;
  word.hidden = now;
  if (now) picture.src = "/stream" + words; else picture.removeAttribute("src");
}}
async function look() {{
  try {{
    const answer = await fetch("/alive" + words, {{signal: AbortSignal.timeout(1500)}});
    show(answer.ok);
  }} catch {{ show(false); }}
  setTimeout(look, 1000);
}}
picture.onerror = () => show(false);
look();
</script></html>
"""


def page(nonce: str) -> bytes:
    """The page; its style and script carry ``nonce``, which the policy header names."""
    return PAGE.format(nonce=nonce).encode()


def policy(nonce: str) -> str:
    """The Content-Security-Policy: nothing but itself, and in nobody's frame."""
    return (
        f"default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
