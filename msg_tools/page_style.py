"""The looks of our reports: one style sheet, light and dark, nothing from the network."""

STYLE = """
:root { --ink: #1c2430; --soft: #5d6877; --line: #e3e7ec; --paper: #f6f7f9; --card: #fff; --mark: #2f7bf5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #2c3440; --paper: #12161c; --card: #1a2028; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 0 0 6px; }
h3 { font-size: 15px; margin: 0 0 8px; font-weight: 600; } .scroll + h3 { margin-top: 20px; }
p { margin: 0 0 12px; color: var(--soft); max-width: 96ch; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
          margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 14px; margin-top: 18px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.tile b { display: block; font-size: 28px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; } .wide { min-width: 760px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
td small { display: block; color: var(--soft); font-size: 11.5px; line-height: 1.2; }
table.lead tbody tr:first-child td { font-weight: 600; } td small { font-weight: 400; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px; margin: 0 0 8px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(380px, 100%), 1fr)); gap: 22px; }
svg { width: 100%; height: auto; display: block; overflow: visible; margin-bottom: 8px; }
svg .grid { stroke: var(--line); } svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .name { fill: var(--soft); font-size: 12.5px; } svg .label { fill: var(--ink); font-size: 12.5px; }
svg .curve { fill: none; stroke-width: 2.4; } svg .dashed { stroke-dasharray: 5 5; stroke-width: 1.8; }
svg .diagonal { stroke: var(--soft); stroke-dasharray: 5 5; } svg .interval { stroke-width: 2.4; opacity: .45; }
.warning { border-left: 4px solid #e08a00; } .warning p { margin: 4px 0; color: var(--ink); max-width: none; }
.frame { border-top: 1px solid var(--line); padding-top: 14px; margin-top: 16px; }
.frame h3 span { color: var(--soft); font-weight: 400; margin-left: 8px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr)); gap: 10px; }
figure { margin: 0; } figure img { width: 100%; display: block; border-radius: 6px; background: #000; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 14px; margin: 0; font-size: 13px; align-content: start;
     font-variant-numeric: tabular-nums; }
dt { color: var(--soft); } dd { margin: 0; }
figcaption { color: var(--soft); font-size: 12.5px; margin-top: 3px; }
.ramps { display: flex; flex-wrap: wrap; gap: 10px 34px; margin-bottom: 4px; }
.ramp { width: 250px; font-size: 12px; color: var(--soft); }
.ramp i { display: block; height: 10px; border-radius: 5px; }
.ramp div { display: flex; justify-content: space-between; }
.one { max-width: 560px; }
.pictures.close { grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 540px)); }
.verdict { color: var(--ink); font-weight: 600; border-left: 4px solid var(--soft); padding-left: 12px; }
.verdict.fits { border-color: #12a879; } .verdict.misfit { border-color: #e0304a; }
table.words th, table.words td { text-align: left; padding-left: 0; padding-right: 18px; }
.words span { white-space: normal; overflow-wrap: anywhere; display: inline-block; min-width: 180px; }
.bar { display: inline-block; height: 10px; border-radius: 3px; background: var(--mark); vertical-align: middle; }
footer { color: var(--soft); font-size: 13px; margin-top: 22px; }
"""
