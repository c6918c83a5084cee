"""The style of the report's page: calm, light and dark, for screens from 360 pixels on, and for paper.

Colours of the charts differ in brightness as well as hue (Okabe and Ito), so they can be told apart without colour
vision and on a black and white print.
"""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root{--bg:#f6f5f2;--card:#fff;--ink:#1d2128;--muted:#626a75;--line:#e3e1db;--grid:#e9e7e1;--accent:#0b5fa5;
--c0:#0b5fa5;--c1:#e08a00;--c2:#12866a;--c3:#8c3f86;--good:#12705a;--bad:#b3261e;--soft:#eef3f8;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1c2027;--ink:#e9ebee;--muted:#9aa3af;--line:#2d333c;
--grid:#2a2f38;--accent:#7db8ee;--c0:#6cb2f2;--c1:#f2b04a;--c2:#4cc6a3;--c3:#d597cf;--good:#5bd0ae;--bad:#ff9a92;
--soft:#222a34}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 24px 64px}
h1{margin:0;font-size:2rem;font-weight:680;letter-spacing:-.025em;line-height:1.15}
h2{margin:0;font-size:1.125rem;font-weight:650;letter-spacing:-.01em}
p{margin:0}
.lead,.about,footer{color:var(--muted)}
.lead{margin-top:8px}
.note{margin-top:20px;padding:12px 16px;border-left:4px solid var(--c1);border-radius:6px;background:var(--card)}
.tiles{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:16px;margin:32px 0 20px;padding:0}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:14px}
.tile{padding:18px 20px;list-style:none;min-width:0}
.tile span{display:block;color:var(--muted);font-size:.875rem}
.tile b{display:block;margin-top:4px;font-size:1.625rem;font-weight:660;letter-spacing:-.02em;line-height:1.2;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tile small{display:block;margin-top:6px;color:var(--muted);font-size:.8125rem}
.good{color:var(--good)}.bad{color:var(--bad)}
section{margin-top:20px;padding:22px 24px;min-width:0}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:20px;margin-top:20px}
.pair section{margin-top:0}
.about{margin-top:4px;font-size:.875rem}
.meter{height:10px;margin-top:14px;border-radius:5px;background:var(--grid);overflow:hidden}
.meter i{display:block;height:100%;border-radius:5px;background:var(--c0)}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:12px 0 0;padding:0;font-size:.875rem;color:var(--muted)}
.key li{display:flex;align-items:center;gap:7px;list-style:none}
.key i{width:12px;height:12px;border-radius:3px}
.k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}
svg.chart{display:block;width:100%;height:auto;margin-top:10px;overflow:visible}
svg.narrow{display:none}
.chart .background{fill:none}
.chart text{fill:var(--muted);font:11px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;stroke:none}
.chart .line{fill:none;stroke:var(--grid)}
.chart .guide{stroke-dasharray:none}
.chart .vertical .axis.x .guide,.chart .vertical .axis.x .line,.chart .horizontal .axis.y .guide{stroke:none}
.chart .axis.y text{text-anchor:end}
.chart .axis.x text{text-anchor:middle}
.chart .title,.chart .legends{display:none}
.chart .color-0{fill:var(--c0)}.chart .color-1{fill:var(--c1)}.chart .color-2{fill:var(--c2)}
.chart .color-3{fill:var(--c3)}
.scroll{margin:14px -24px -8px;padding:0 24px 8px;overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:7px 0 7px 18px;border-top:1px solid var(--line);text-align:right;font-weight:400;white-space:nowrap}
th:first-child,td:first-child{padding-left:0}
tr>.label{text-align:left}
thead th{border-top:0;color:var(--muted);font-weight:550}
tbody tr:hover{background:var(--soft)}
.none{margin-top:12px;color:var(--muted);font-size:.875rem}
footer{margin-top:32px;font-size:.8125rem}
footer p+p{margin-top:4px}
@media(max-width:820px){main{padding:28px 16px 48px}.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:12px}
.pair{grid-template-columns:minmax(0,1fr)}h1{font-size:1.625rem}.tile{padding:14px 16px}.tile b{font-size:1.25rem}
section{padding:18px 16px}.scroll{margin:14px -16px -6px;padding:0 16px 6px}}
@media(max-width:600px){svg.wide{display:none}svg.narrow{display:block}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--muted:#444;--line:#bbb;--grid:#ddd;--c0:#0b5fa5;--c1:#e08a00;
--c2:#12866a;--c3:#8c3f86}main{max-width:none;padding:0}section,.tile{break-inside:avoid}
.scroll{overflow:visible;margin:10px 0 0;padding:0}body{font-size:12px}th,td{padding:4px 0 4px 10px}}
""".strip()


def policy() -> str:
    """Return the Content-Security-Policy under which the page is shown: its own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; style-src-attr 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
