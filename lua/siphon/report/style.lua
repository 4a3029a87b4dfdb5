--- The style sheet of a report: one column on a telephone, light and dark after the reader's choice, black on white in
-- print. Text has a contrast of at least 4.5 to what is behind it, bars one of 3.

return [[
:root {
  color-scheme: light dark;
  --page: #f4f6f9; --card: #ffffff; --line: #d5dbe5; --track: #edf0f5; --text: #1a2130; --soft: #566074;
  --source: #0f766e; --bytes: #1d4ed8; --image: #7c3aed; --glance: #be185d; --undo: #b45309; --bad: #b91c1c;
  --good: #166534; --good-soft: #e3f4e8; --bad-soft: #fdeaea; --warn: #8a4b08; --warn-soft: #fdf1dc;
  --info: #1e40af; --info-soft: #e6edfd;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #10141b; --card: #181e27; --line: #303947; --track: #232b37; --text: #e6eaf1; --soft: #a3aec0;
    --source: #2dd4bf; --bytes: #60a5fa; --image: #a78bfa; --glance: #f472b6; --undo: #fbbf24; --bad: #f87171;
    --good: #86efac; --good-soft: #14301f; --bad-soft: #3a1a1d; --warn: #fcd34d; --warn-soft: #37290e;
    --info: #93c5fd; --info-soft: #172a4a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; overflow-wrap: anywhere; }
main, header { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
main { padding-bottom: 3rem; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 0; font-size: 1.15rem; line-height: 1.35; }
h3 { margin: 1.5rem 0 0.5rem; font-size: 0.8rem; letter-spacing: 0.06em; text-transform: uppercase;
  color: var(--soft); }
p, ul, ol, dl { margin: 0; }
ul, ol { padding: 0; list-style: none; }
code { font: 0.92em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 0.2em; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.4rem 1.4rem;
  margin-top: 1.25rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.8rem; margin-top: 1.25rem; }
.tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.8rem 1rem; }
.tiles dt { color: var(--soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em; }
.tiles dd small { display: block; font-size: 0.82rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.badge { display: inline-block; border-radius: 1em; padding: 0.05rem 0.65rem; font-size: 0.8rem; font-weight: 600;
  white-space: nowrap; }
.badge.done { color: var(--good); background: var(--good-soft); }
.badge.undone, .badge.abandoned { color: var(--warn); background: var(--warn-soft); }
.badge.failed { color: var(--bad); background: var(--bad-soft); }
.badge.running, .badge.queued { color: var(--info); background: var(--info-soft); }
.track { position: relative; display: block; height: 0.8rem; border-radius: 3px; background: var(--track);
  overflow: hidden; }
.bar { position: absolute; top: 0; bottom: 0; border-radius: 2px; background: var(--phase); }
.source { --phase: var(--source); } .bytes { --phase: var(--bytes); } .image { --phase: var(--image); }
.glance { --phase: var(--glance); } .undo { --phase: var(--undo); } .failed-step { --phase: var(--bad); }
.cut-off { background: repeating-linear-gradient(135deg, var(--phase) 0 4px, transparent 4px 8px); }
.gap { position: absolute; top: 0; bottom: 0; background: var(--card); border: dashed var(--soft);
  border-width: 0 1px; }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; margin-top: 0.9rem; font-size: 0.85rem;
  color: var(--soft); }
.legend i { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 2px; background: var(--phase);
  margin-right: 0.4rem; vertical-align: -0.08rem; }
.legend i.cut-off { background: repeating-linear-gradient(135deg, var(--phase) 0 4px, transparent 4px 8px); }
.lanes > li, .axis { display: grid; grid-template-columns: minmax(0, 20rem) minmax(0, 1fr); gap: 0 1rem;
  align-items: center; }
.lanes > li { padding: 0.4rem 0; border-top: 1px solid var(--line); }
.lanes > li:first-child { border-top: 0; }
.lanes .track { height: 1.3rem; }
.lanes .who { display: flex; gap: 0.6rem; align-items: baseline; justify-content: space-between; }
.axis { font-size: 0.78rem; color: var(--soft); }
.axis > div { grid-column: 2; position: relative; height: 1.3rem; border-top: 1px solid var(--line); }
.axis span { position: absolute; top: 0.1rem; white-space: nowrap; }
.head { display: flex; flex-wrap: wrap; gap: 0.3rem 0.8rem; align-items: baseline; justify-content: space-between; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 0.6rem 1.4rem;
  margin-top: 0.9rem; }
.facts dt { color: var(--soft); font-size: 0.82rem; }
.facts dd { margin: 0; }
.error { margin-top: 1rem; border-left: 4px solid var(--bad); background: var(--bad-soft); border-radius: 4px;
  padding: 0.7rem 1rem; }
.error p + p { margin-top: 0.35rem; }
.advice { margin-top: 1rem; border-left: 4px solid var(--info); background: var(--info-soft); border-radius: 4px;
  padding: 0.7rem 1rem; }
.steps > li { display: grid; grid-template-columns: 4.6rem minmax(0, 27.5rem) 5rem minmax(0, 1fr);
  gap: 0 0.9rem;  align-items: center; padding: 0.22rem 0; border-top: 1px solid var(--line); }
.steps > li:first-child { border-top: 0; }
.steps time, .steps .took { font-variant-numeric: tabular-nums; color: var(--soft); font-size: 0.88rem; }
.steps .took { text-align: right; }
.steps .told { grid-column: 2 / -1; }
.steps .text, .steps .told { font-size: 0.94rem; }
.steps .note { color: var(--soft); }
.steps .wrong { color: var(--bad); font-weight: 600; }
.routes > li, .plain > li { padding: 0.22rem 0; }
.routes b { display: inline-block; min-width: 8.5rem; font-weight: 600; }
.shares > li { display: grid; grid-template-columns: minmax(0, 17rem) 6rem minmax(0, 1fr); gap: 0 0.9rem;
  align-items: center; padding: 0.22rem 0; }
.shares .much { text-align: right; font-variant-numeric: tabular-nums; }
.shares .bar { --phase: var(--bytes); }
.shares .calculated .bar { background: repeating-linear-gradient(135deg, var(--phase) 0 4px, transparent 4px 8px); }
.shares .usual .bar { --phase: var(--soft); }
footer { margin-top: 1.5rem; font-size: 0.85rem; color: var(--soft); }
@media (max-width: 46rem) {
  main, header { padding-left: 0.8rem; padding-right: 0.8rem; }
  header { padding-top: 1.2rem; }
  .card { padding: 1rem; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tiles dd { font-size: 1.2rem; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.5rem 1rem; }
  .lanes > li, .axis { grid-template-columns: minmax(0, 1fr); gap: 0.3rem; }
  .axis > div { grid-column: 1; }
  .steps > li { grid-template-columns: minmax(0, 1fr) auto; gap: 0.1rem 0.8rem; }
  .steps time { order: 1; } .steps .took { order: 2; } .steps .told, .steps .text { order: 3; grid-column: 1 / -1; }
  .steps .track { order: 4; grid-column: 1 / -1; height: 0.5rem; }
  .shares > li { grid-template-columns: minmax(0, 1fr) auto; }
  .shares .track { grid-column: 1 / -1; }
  .routes b { display: block; }
}
@media print {
  @page { margin: 14mm; }
  :root { --page: #ffffff; --line: #c4cad4; }
  html { font-size: 12.5px; }
  body { font-size: 1rem; }
  main, header { max-width: none; padding: 0; }
  .card, .tiles > div { border-radius: 0; }
  .card { border-width: 1px 0 0; padding: 0.8rem 0 0; }
  .steps > li, .lanes > li, .shares > li, .error, .advice, .facts > div, .tiles { break-inside: avoid; }
  h2, h3, .head { break-after: avoid; }
  .track, .bar, .badge, .legend i, .error, .advice, .gap { print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
}
]]
