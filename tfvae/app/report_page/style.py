"""How the report page looks: one column, light or dark as the reader's screen is, for a phone as for a laptop."""

CSS = """
:root { --page: #fbfbfa; --ink: #1d1d1f; --soft: #5f6368; --line: #d9dade; --card: #ffffff; --code: #f1f2f4;
        --warn: #8a4b00; --warn-page: #fff4e0; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181c; --ink: #e8e9eb; --soft: #a3a8b0; --line: #363b43; --card: #1f2329; --code: #262b32;
          --warn: #ffc774; --warn-page: #33270f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.soft, figcaption, caption { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; padding: 0;
         margin: 1.25rem 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tiles strong { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .85rem; }
.warning { background: var(--warn-page); border-left: .3rem solid var(--warn); border-radius: .25rem;
           padding: .6rem .9rem; margin: .75rem 0; }
.warning b { color: var(--warn); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
caption { text-align: left; padding: .25rem 0 .5rem; }
td, th { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; text-align: left;
         font-weight: normal; font-variant-numeric: tabular-nums; }
.report td:first-child, .report td:nth-child(2) { white-space: nowrap; }
.facts th { color: var(--soft); white-space: nowrap; width: 1%; }
.facts td { overflow-wrap: anywhere; }
figure { margin: 0 0 1.75rem; }
.picture { overflow-x: auto; background: #ffffff; border: 1px solid var(--line); border-radius: .5rem; padding: .6rem; }
.picture img { display: block; height: auto; max-width: 100%; margin: 0 auto; }
figcaption { padding-top: .45rem; font-size: .95rem; max-width: 46rem; }
pre { background: var(--code); border-radius: .5rem; padding: .75rem .9rem; overflow-x: auto; font-size: .85rem; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 40rem) {
  .picture img { max-width: none; width: min(var(--width), max(100%, calc(var(--width) * .57))); }
  .report tr { display: flex; flex-wrap: wrap; justify-content: space-between; padding: .3rem 0;
               border-bottom: 1px solid var(--line); }
  .report td { padding: 0; border: 0; }
  .report td:last-child { flex-basis: 100%; padding-left: 1rem; color: var(--soft); }
  .report td:empty { display: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } }
@media print { .picture, .tiles li { break-inside: avoid; } }
"""
