"""How the report looks: quiet, in the light and in the dark."""

from __future__ import annotations

STYLE = """
:root{--paper:#faf9f6;--card:#fff;--ink:#1c1d21;--soft:#6a6d76;--line:#e7e5df;
--accent:#3457d5;--good:#1f9d76;--warm:#e0a32e;--hot:#d9573f;--cool:#7d6bd0;--dim:#a8abb3;--faint:#d5d6da}
@media(prefers-color-scheme:dark){:root{--paper:#121317;--card:#1a1c22;--ink:#eceef2;--soft:#9599a5;
--line:#2a2d36;--accent:#7d9bff;--good:#46c79b;--warm:#edb94f;--hot:#f07a62;--cool:#a797f0;--dim:#6d717c;
--faint:#3d414c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1180px;margin:0 auto;padding:56px 28px 80px}
header{margin-bottom:36px}
.over{margin:0 0 10px;color:var(--soft);font-size:13px;letter-spacing:.02em}
h1{margin:0;font-size:64px;line-height:1.05;font-weight:640;letter-spacing:-.03em}
h1 small{display:block;margin-top:8px;font-size:17px;font-weight:400;letter-spacing:0;color:var(--soft)}
.range{max-width:560px;margin:26px 0 34px}
.track{position:relative;height:10px;border-radius:5px;background:var(--line)}
.track i{position:absolute;top:0;bottom:0;border-radius:5px;background:linear-gradient(90deg,
color-mix(in srgb,var(--good) 45%,transparent),var(--good))}
.track b{position:absolute;top:-5px;width:4px;height:20px;margin-left:-2px;border-radius:2px;
background:var(--ink)}
.range p{position:relative;display:flex;justify-content:space-between;margin:10px 0 0;font-size:13px;
color:var(--soft)}
.range p span:nth-child(2){position:absolute;transform:translateX(-50%);color:var(--ink)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:1px;border-radius:14px;
overflow:hidden;background:var(--line);border:1px solid var(--line)}
.tiles div{padding:18px 20px;background:var(--card)}
.tiles b{display:block;font-size:25px;font-weight:600;letter-spacing:-.015em}
.tiles span{font-size:13px;color:var(--soft)}
section{margin:18px 0;padding:24px 26px;border:1px solid var(--line);border-radius:14px;
background:var(--card);min-width:0}
h2{margin:0 0 4px;font-size:16px;font-weight:620;letter-spacing:-.005em}
.about{margin:0 0 16px;max-width:78ch;font-size:13.5px;color:var(--soft)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:18px;margin:18px 0}
.pair section{margin:0}
.bar{display:flex;gap:3px;height:22px;margin:16px 0 20px}
.bar i{min-width:4px;border-radius:4px}
.legend{display:grid;grid-template-columns:repeat(auto-fit,minmax(215px,1fr));gap:12px 22px}
.legend div{padding-left:20px;position:relative;font-size:14px}
.legend div>i{position:absolute;left:0;top:6px;width:10px;height:10px;border-radius:3px}
.legend b{font-size:16px}
.legend span{display:block;font-size:12.5px;color:var(--soft)}
.legend .nil{opacity:.45}
.note{margin:18px 0 0;font-size:13px;color:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 10px;font-size:12.5px;color:var(--soft)}
.key i{display:inline-block;width:9px;height:9px;margin-right:7px;border-radius:3px}
.none{padding:40px 0;text-align:center;color:var(--soft)}
svg{display:block;width:100%;height:auto;overflow:visible}
.grid{stroke:var(--line);stroke-width:1}
.rule{stroke:var(--dim);stroke-width:1;stroke-dasharray:4 4}
.tick{font-size:11px;fill:var(--soft)}
.axis{font-size:11px;fill:var(--dim)}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
.area{fill:var(--accent);fill-opacity:.09}
circle:hover{fill-opacity:1;stroke:var(--ink);stroke-width:1.5}
table{width:100%;border-collapse:collapse;font-size:13.5px}
th{padding:6px 12px 8px 0;text-align:left;font-weight:500;color:var(--soft);
border-bottom:1px solid var(--line)}
td{padding:9px 12px 9px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
.r{text-align:right;white-space:nowrap}
.whole{white-space:nowrap}
code{white-space:nowrap;font:12.5px ui-monospace,SFMono-Regular,Menlo,monospace}
.pip{display:inline-block;width:9px;height:9px;margin-right:8px;border-radius:3px}
.rows{display:grid;gap:16px;margin-top:22px}
.row{display:grid;grid-template-columns:210px 1fr 40px;align-items:center;gap:14px;font-size:14px}
.row div{height:14px;border-radius:4px;background:var(--line)}
.row div i{display:block;height:100%;min-width:2px;border-radius:4px}
.row b{text-align:right}
dl{display:grid;grid-template-columns:140px 1fr;gap:8px 18px;margin:0;font-size:14px}
dt{color:var(--soft)}
dd{margin:0}
.heats{display:flex;flex-wrap:wrap;gap:28px 20px}
.heat{width:auto;font-size:14px}
.heat caption{text-align:left;color:var(--soft);padding-bottom:6px}
.heat th{border:0;padding:8px;white-space:nowrap}
.heat td{border:3px solid var(--card);padding:13px 18px;text-align:center;border-radius:8px;min-width:92px}
.heat .chosen{box-shadow:inset 0 0 0 2px var(--ink)}
.heat .gone{color:var(--dim)}
@media(max-width:620px){main{padding:32px 16px}h1{font-size:42px}.pair{grid-template-columns:1fr}
section{padding:20px 18px;overflow-x:auto}.row{grid-template-columns:1fr 34px}.row div{display:none}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
