/** The page's style: light and dark by the reader's own setting, one width of text, figures that stand under each other. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--bg:#f4f6f5;--card:#fff;--ink:#16211e;--dim:#5b6a66;--line:#dbe3e0;--head:#eaf0ee;--accent:#0b6b5d;--accent-ink:#fff;--good:#15803d;--warn:#a16207;--bad:#b91c1c;--maint:#7c5a1d;--drain:#1d5fa8;--good-bg:#e7f6ec;--warn-bg:#fdf3da;--bad-bg:#fde8e8;--maint-bg:#f6ecd9;--drain-bg:#e4eefb;--hover:#f0f5f3;--focus:#0b6b5d}
@media(prefers-color-scheme:dark){:root{--bg:#0e1513;--card:#17201d;--ink:#e3ebe8;--dim:#9aaaa5;--line:#2a3733;--head:#1e2a26;--accent:#3fc1a8;--accent-ink:#06231d;--good:#4ade80;--warn:#fbbf24;--bad:#f87171;--maint:#e0b15c;--drain:#7cb7f5;--good-bg:#12291b;--warn-bg:#2f2610;--bad-bg:#351616;--maint-bg:#2c2312;--drain-bg:#14253a;--hover:#1c2824;--focus:#3fc1a8}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;padding:0 clamp(.6rem,1.6vw,1.6rem) 2rem;background:var(--bg);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;display:grid;grid-template-columns:minmax(0,1fr);gap:1rem;-webkit-text-size-adjust:100%}
@media(min-width:1500px){body{grid-template-columns:minmax(0,1fr) 27rem;align-items:start}header,footer{grid-column:1/-1}aside{position:sticky;top:.75rem;max-height:calc(100vh - 1.5rem);overflow:auto}}
a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:2px}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:3px}
.skip,.spoken{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.5rem 1rem;z-index:9}
small{color:var(--dim);font-weight:400;font-size:.82em}
header{padding-top:1rem}
.bar{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:.25rem 1rem}
h1{margin:0;font-size:1.35rem;letter-spacing:-.01em}
.node{color:var(--accent);font-weight:600;margin-left:.4em}
.node:before{content:"@";opacity:.6}
.live{margin:0;color:var(--dim);font-size:.85rem}
.live:before{content:"";display:inline-block;width:.55em;height:.55em;border-radius:50%;background:var(--dim);margin-right:.5em}
.live.on:before{background:var(--good)}.live.off:before{background:var(--bad)}
.description{margin:.2rem 0 0;color:var(--dim)}
.message{margin:.7rem 0 0;padding:.55rem .8rem;border-radius:6px;border-left:4px solid var(--dim);background:var(--card)}
.message.good{border-color:var(--good);background:var(--good-bg)}.message.warn{border-color:var(--warn);background:var(--warn-bg)}.message.bad{border-color:var(--bad);background:var(--bad-bg)}
.troubles{margin:.7rem 0;padding:.5rem .8rem;border-radius:8px;border:1px solid var(--line);border-left:4px solid var(--bad);background:var(--bad-bg)}
.troubles.warn{border-left-color:var(--warn);background:var(--warn-bg)}
.troubles.calm{border-left-color:var(--good);background:var(--good-bg)}
.troubles h2{margin:0;font-size:.95rem}
.troubles ul{margin:.3rem 0 0;padding:0;list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));gap:.1rem 1.2rem}
.troubles li{overflow-wrap:anywhere}
.troubles li:before{content:"";display:inline-block;width:.5em;height:.5em;border-radius:50%;background:var(--warn);margin-right:.5em}
.troubles li.bad:before{background:var(--bad)}
.troubles a{color:inherit}
[hidden]{display:none!important}
.facts{display:flex;flex-wrap:wrap;gap:.3rem 1.6rem;margin:.7rem 0}
.facts div{display:flex;gap:.45rem;align-items:baseline}
dt{color:var(--dim);font-size:.82rem}dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;margin:.6rem 0}
.chart{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.55rem .7rem .35rem;min-width:0;overflow:hidden}
.chart h3{display:flex;justify-content:space-between;margin:0;font-size:.82rem;font-weight:500;color:var(--dim)}
.chart b{color:var(--ink);font-size:1.15rem;font-variant-numeric:tabular-nums;line-height:1.1}
nav{display:flex;flex-wrap:wrap;align-items:center;gap:.35rem 1.1rem;font-size:.88rem;padding:.35rem 0}
nav .sections,nav .links{display:flex;flex-wrap:wrap;gap:.1rem .9rem}
nav .sections a{font-weight:600}
nav form{margin:0}
input,select,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:5px;padding:.15rem .45rem}
button{cursor:pointer}button[type=submit]{background:var(--accent);border-color:var(--accent);color:var(--accent-ink);font-weight:600;padding:.2rem .9rem}
button[aria-pressed=true]{border-color:var(--accent);color:var(--accent)}
#all-columns{display:none}
@media(max-width:760px){#all-columns{display:inline-block}}
main{display:grid;gap:1rem;min-width:0}
.proxy,.panel{background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:0;content-visibility:auto;contain-intrinsic-size:auto 14rem}
.panel{content-visibility:visible}
.proxy h2,.panel h2{margin:0;padding:.55rem .8rem;font-size:1rem}
.proxy h2 a{color:inherit;text-decoration:none}.proxy h2 a:hover{text-decoration:underline}
.proxy form{margin:0}
.scroll{overflow-x:auto;border-top:1px solid var(--line)}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.82rem;font-variant-numeric:tabular-nums}
th,td{padding:.22rem .5rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
thead th,thead td{background:var(--head);color:var(--dim);font-weight:500;font-size:.76rem}
thead th[scope=colgroup]{text-align:center;border-left:1px solid var(--line);color:var(--ink)}
abbr{text-decoration:none}
th.name{text-align:left;position:sticky;left:0;background:var(--card);font-weight:500;z-index:1;max-width:16rem;overflow:hidden;text-overflow:ellipsis;border-left:4px solid transparent}
thead th.name{background:var(--head)}
th.name small{display:block;overflow:hidden;text-overflow:ellipsis}
.pick{padding-right:0;width:1.4rem}
.pick:empty{padding:0;width:0}
tbody:last-child tr:last-child>*{border-bottom:0}
tr.frontend>*,tr.backend>*{background:var(--head);font-weight:600}
tr.frontend th.name,tr.backend th.name{background:var(--head)}
tr.listener{color:var(--dim)}
tr.server:hover>*{background:var(--hover)}
tr.up th.name{border-left-color:var(--good)}tr.unchecked th.name,tr.open th.name{border-left-color:var(--line)}tr.warn th.name{border-left-color:var(--warn)}tr.down th.name{border-left-color:var(--bad)}tr.maint th.name{border-left-color:var(--maint)}tr.drain th.name{border-left-color:var(--drain)}
.proxy td:nth-child(3){text-align:left;font-weight:600}tr.up>td:nth-child(3){color:var(--good)}tr.down>td:nth-child(3){color:var(--bad)}tr.warn>td:nth-child(3){color:var(--warn)}tr.maint>td:nth-child(3){color:var(--maint)}tr.drain>td:nth-child(3){color:var(--drain)}tr.unchecked>td:nth-child(3),tr.open>td:nth-child(3){color:var(--dim);font-weight:500}
.proxy thead tr:last-child th:first-child{text-align:left}
tr.server.down>*{background:var(--bad-bg)}tr.server.warn>*{background:var(--warn-bg)}tr.server.maint>*{background:var(--maint-bg)}tr.server.drain>*{background:var(--drain-bg)}
tr.backup th.name:after{content:" backup";color:var(--dim);font-weight:400;font-size:.82em}
td.changed{animation:changed 1.6s ease-out}
@keyframes changed{from{background:color-mix(in srgb,var(--accent) 28%,transparent)}}
@media(prefers-reduced-motion:reduce){td.changed{animation:none}}
.actions,.more{margin:0;padding:.55rem .8rem;border-top:1px solid var(--line);font-size:.88rem}
aside{display:grid;gap:1rem;min-width:0}
.panel>div{padding:0 .8rem .7rem}
.empty{margin:0;color:var(--dim)}
.cards{display:grid;gap:.9rem;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr))}
.card h3{margin:0 0 .3rem;font-size:.92rem;display:flex;justify-content:space-between;gap:.5rem}
.card p{margin:.25rem 0;color:var(--dim);font-size:.82rem}
.card p.alarm{color:var(--bad);font-weight:600}
progress{width:100%;height:.5rem;display:block;accent-color:var(--accent)}
progress.high{accent-color:var(--warn)}progress.full{accent-color:var(--bad)}
.panel table{font-size:.8rem}
.panel th,.panel td{padding:.2rem .4rem}
.panel thead th{white-space:normal;vertical-align:bottom}
.panel tbody th:has(.key){width:100%}
.panel tbody th small{display:block;white-space:normal;overflow-wrap:anywhere}
tr:target>*{outline:2px solid var(--focus);outline-offset:-2px}
.panel td:first-child,.panel th:first-child{text-align:left}
.panel th .refused{display:block}
.panel tbody th{font-weight:500;vertical-align:top;max-width:17rem;overflow:hidden}
.key{display:block;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow:hidden;text-overflow:ellipsis}
.refused{color:var(--bad);white-space:normal;font-size:.92em}
.data{color:var(--dim);white-space:normal;font-size:.92em}
.spark{display:block;width:6rem;height:1.25rem}
.spark path{fill:none;stroke:var(--accent);stroke-width:1.5;vector-effect:non-scaling-stroke}
.state-good{color:var(--good);font-weight:600}.state-bad{color:var(--bad);font-weight:600}.state-warn{color:var(--warn);font-weight:600}
footer{color:var(--dim);font-size:.82rem}
footer p{margin:0}
.uplot,.u-wrap{width:100%!important}
@media(max-width:760px){.brief abbr[data-narrow]{font-size:0}.brief abbr[data-narrow]:after{content:attr(data-narrow);font-size:.8rem}body{font-size:15px}.bar .live{order:3}table{font-size:.86rem}th.name{max-width:9.5rem}.scroll{-webkit-overflow-scrolling:touch}nav .links{order:5}.charts{grid-template-columns:1fr 1fr;gap:.5rem}th,td{padding:.4rem .45rem}}
@media print{aside,nav,.actions{display:none}body{background:#fff}}
`.trim();
