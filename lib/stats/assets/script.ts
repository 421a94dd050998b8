/**
 * The page's script, as it is sent: plain JavaScript for any browser of today, no module, no build. It listens to the
 * live updates and puts them into the page as texts; markup is never made of what they say.
 */
export const PAGE_SCRIPT = `
(() => {
'use strict';
const byId = (id) => document.getElementById(id);
const make = (tag, className, text) => {
	const element = document.createElement(tag);
	if (className) element.className = className;
	if (text !== undefined) element.textContent = text;
	return element;
};
const SVG = 'http://www.w3.org/2000/svg';
const UNITS = ['', 'k', 'M', 'G', 'T'];
const short = (value) => {
	let unit = 0;
	while (value >= 10000 && unit < UNITS.length - 1) { value /= 1000; unit++; }
	const digits = unit === 0 ? (value < 10 && value % 1 !== 0 ? 1 : 0) : value < 100 ? 1 : 0;
	return value.toFixed(digits) + UNITS[unit];
};
const ago = (ms) => {
	const seconds = Math.max(0, Math.round(ms / 1000));
	if (seconds < 60) return seconds + 's';
	if (seconds < 3600) return Math.floor(seconds / 60) + 'm' + (seconds % 60) + 's';
	if (seconds < 86400) return Math.floor(seconds / 3600) + 'h' + Math.floor(seconds / 60 % 60) + 'm';
	return Math.floor(seconds / 86400) + 'd' + Math.floor(seconds / 3600 % 24) + 'h';
};
/** http_req_rate(10000) as people say it. */
const figure = (name) => name.replace(/\\((\\d+)\\)$/, (_, ms) => ' in ' + (ms % 60000 === 0 ? ms / 60000 + 'm' : ms / 1000 + 's'));
const setText = (element, text) => {
	if (element && element.textContent !== text) { element.textContent = text; return true; }
	return false;
};

// ---- rows

let first = true;
function updateRows(rows) {
	for (const [id, kind, ...cells] of rows) {
		const row = byId(id);
		if (row === null) continue;
		if (row.className !== kind) row.className = kind;
		for (let i = 0; i < cells.length; i++) {
			const cell = row.children[i + 2];
			if (!setText(cell, cells[i]) || first) continue;
			cell.classList.remove('changed');
			void cell.offsetWidth;
			cell.classList.add('changed');
		}
	}
	first = false;
}

// ---- charts

const charts = byId('charts');
const CHARTS = [
	['Requests/s', 'requestRate', '--accent'],
	['Connections', 'connections', '--drain'],
	['Refused/s', 'refusedRate', '--warn'],
	['Errors 5xx/s', 'errorRate', '--bad'],
	['Bytes out/s', 'bytesOutRate', '--good'],
];
let plots = [];
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function makeCharts() {
	plots = [];
	charts.replaceChildren();
	for (const [label, field, tint] of CHARTS) {
		const box = make('div', 'chart');
		const head = make('h3', '', label);
		const value = make('b', '', '');
		head.append(value);
		box.append(head);
		charts.append(box);
		let plot;
		if (window.uPlot) {
			const width = Math.max(120, box.clientWidth - 22);
			plot = new uPlot({
				width, height: 70, legend: { show: false }, cursor: { show: false },
				padding: [6, 2, 0, 2],
				scales: { x: { time: true }, y: { range: (u, min, max) => [0, Math.max(1, max || 0)] } },
				axes: [{ show: false }, { show: false }],
				series: [{}, { stroke: color(tint), width: 1.5, fill: color(tint) + '22', points: { show: false }, spanGaps: true }],
			}, [[], []], box);
			plot.root.setAttribute('role', 'img');
		}
		plots.push({ field, label, value, plot, box });
	}
}

function updateCharts(history) {
	if (history.length === 0) { charts.hidden = true; return; }
	charts.hidden = false;
	if (plots.length === 0) makeCharts();
	const times = history.map(({ atMs }) => atMs / 1000);
	for (const { field, label, value, plot } of plots) {
		const values = history.map((point) => point[field]);
		const now = values[values.length - 1];
		setText(value, short(now));
		if (!plot) continue;
		plot.setData([times, values]);
		plot.root.setAttribute('aria-label', label + ': now ' + short(now) + ', at most ' + short(Math.max(...values)));
	}
}

let resizing;
addEventListener('resize', () => {
	clearTimeout(resizing);
	resizing = setTimeout(() => {
		for (const { plot, box } of plots) if (plot) plot.setSize({ width: Math.max(120, box.clientWidth - 22), height: 70 });
	}, 150);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (plots.length) { makeCharts(); updateCharts(lastHistory); } });
let lastHistory = [];

function spark(values) {
	const svg = document.createElementNS(SVG, 'svg');
	svg.setAttribute('class', 'spark');
	svg.setAttribute('viewBox', '0 0 100 20');
	svg.setAttribute('preserveAspectRatio', 'none');
	svg.setAttribute('aria-hidden', 'true');
	const path = document.createElementNS(SVG, 'path');
	const top = Math.max(1, ...values.map((value) => value || 0));
	const step = values.length > 1 ? 100 / (values.length - 1) : 0;
	let d = '', pen = false;
	values.forEach((value, i) => {
		if (value === null) { pen = false; return; }
		d += (pen ? 'L' : 'M') + (i * step).toFixed(1) + ' ' + (19 - value / top * 18).toFixed(1);
		pen = true;
	});
	path.setAttribute('d', d);
	svg.append(path);
	return svg;
}

// ---- panels

function table(labels, rows, caption) {
	const element = make('table');
	element.append(make('caption', 'spoken', caption));
	const head = make('tr');
	for (const label of labels) { const th = make('th', '', label); th.scope = 'col'; head.append(th); }
	const thead = make('thead');
	thead.append(head);
	const body = make('tbody');
	for (const cells of rows) {
		const row = make('tr');
		cells.forEach((cell, i) => {
			const td = make(i === 0 ? 'th' : 'td');
			if (i === 0) td.scope = 'row';
			if (cell instanceof Node) td.append(cell);
			else if (Array.isArray(cell)) { td.className = cell[0]; td.textContent = cell[1]; }
			else td.textContent = cell;
			row.append(td);
		});
		body.append(row);
	}
	element.append(thead, body);
	return element;
}

function key(text) { const span = make('span', 'key', text); span.title = text; return span; }

let lastEvictions = new Map();
function updateTables(tables, nowMs) {
	const cards = byId('table-cards');
	if (tables.length === 0) { cards.replaceChildren(make('p', 'empty', 'none')); return; }
	const made = tables.map((one) => {
		const card = make('article', 'card');
		const title = make('h3', '', one.name);
		title.append(make('small', '', one.type));
		const share = one.size > 0 ? one.used / one.size : 0;
		const bar = make('progress', share >= 0.9 ? 'full' : share >= 0.7 ? 'high' : '');
		bar.max = one.size;
		bar.value = one.used;
		bar.setAttribute('aria-label', 'fill of ' + one.name);
		const percent = one.size > 0 ? (one.used / one.size * 100).toFixed(one.used / one.size < 0.1 ? 1 : 0) : '0';
		const fill = make('p', '', one.used.toLocaleString('en') + ' of ' + one.size.toLocaleString('en') + ' entries, ' + percent + '%');
		card.append(title, bar, fill, spark(one.usedHistory));
		const before = lastEvictions.get(one.name);
		const lost = one.evictions + one.refusals;
		const note = make('p', before !== undefined && lost > before ? 'alarm' : '',
			one.evictions.toLocaleString('en') + ' evicted before their time, ' + one.refusals.toLocaleString('en') + ' refused');
		lastEvictions.set(one.name, lost);
		card.append(note);
		if (one.hottest.length > 0) {
			const wrap = make('div', 'scroll');
			wrap.append(table(['Hottest keys', figure(one.leading), 'Last minutes'], one.hottest.map((hot) => {
				const cell = make('div');
				const name = key(hot.key);
				cell.append(name);
				const data = hot.data.filter(([, v]) => v !== 0);
				if (data.length > 0) cell.append(make('span', 'data', data.map(([n, v]) => figure(n) + ': ' + short(v)).join(', ')));
				const by = hot.refusedBy;
				if (by) {
					const refused = make('span', 'refused', 'refused by ' + by.file.split('/').pop() + ':' + by.line + ', ' + ago(nowMs - by.atMs) + ' ago');
					refused.title = by.file + ':' + by.line;
					cell.append(refused);
				}
				return [cell, short(hot.value), spark(hot.history)];
			}), 'Hottest keys of ' + one.name));
			card.append(wrap);
		} else card.append(make('p', '', one.leading === undefined ? 'stores no figures' : one.hottestAtMs ? 'no key is hot' : 'keys are being looked at'));
		return card;
	});
	cards.replaceChildren(...made);
}

const PEER_STATES = { ESTA: 'established', CONN: 'connecting', NONE: 'idle', SUCC: 'greeted' };
function updatePeers(peers) {
	const list = byId('peer-list');
	if (peers.length === 0) { list.replaceChildren(make('p', 'empty', 'none')); return; }
	const wrap = make('div', 'scroll');
	wrap.append(table(['Peer', 'State', 'Behind', 'Sent', 'Received', 'Failures'], peers.map((peer) => {
		const up = peer.isConnected && peer.status === 'ESTA';
		const name = make('span', '', peer.section + '/' + peer.name);
		if (peer.trouble && !up && !peer.isLocal) name.append(make('small', '', peer.trouble));
		const late = peer.tables.filter((one) => one.lagMs > 1000);
		if (late.length > 0) name.append(make('small', '', late.map((one) => one.name + ': ' + one.pendingUpdates + ' updates, ' + ago(one.lagMs)).join('; ')));
		return [
			name,
			peer.isLocal ? 'this node' : [up ? 'state-good' : 'state-bad', PEER_STATES[peer.status] || peer.status],
			peer.isLocal ? '' : peer.pendingUpdates === 0 ? 'nothing' : [peer.lagMs > 5000 ? 'state-bad' : '', peer.pendingUpdates + ' updates, ' + ago(peer.lagMs)],
			short(peer.updatesSent), short(peer.updatesReceived), String(peer.failures),
		];
	}), 'Peers'));
	list.replaceChildren(wrap);
}

// A panel that most nodes have nothing for.
function showPanel(id, isShown) {
	byId(id).hidden = !isShown;
	const link = document.querySelector('a[href="#' + id + '"]');
	if (link) link.hidden = !isShown;
	return isShown;
}

const CLAIMS = { joining: 'waits for its name', writing: 'writes', apart: 'writes apart, its name is taken', lost: 'writes no more, its name is taken' };
const WRITERS = { new: 'not begun', absorbing: 'takes its share back', open: 'writes', unsure: 'asks what is there', lost: 'writes no more' };
const lagOf = (ms) => ms === undefined ? '-' : ms < 1000 ? Math.round(ms) + 'ms' : ago(ms);
const since = (ms) => ms === undefined ? 'never' : ago(ms) + ' ago';
function updateRedis(sections) {
	if (!showPanel('redis', sections.length > 0)) return;
	byId('redis-list').replaceChildren(...sections.flatMap((one) => {
		const where = make('div', 'scroll');
		const name = make('span', '', one.section);
		name.append(make('small', '', one.url));
		if (one.trouble) name.append(make('small', '', one.trouble));
		where.append(table(['Section', 'State', 'This node', 'Last word', 'Round', 'Connects', 'Failures'], [[
			name,
			[one.isReady ? 'state-good' : 'state-bad', one.isReady ? 'there' : 'away'],
			[one.claim === 'writing' || one.claim === 'joining' ? '' : 'state-bad', one.node + ' ' + CLAIMS[one.claim]],
			since(one.lastRoundMs),
			one.roundMs === undefined ? '-' : Math.round(one.roundMs) + 'ms of ' + one.intervalMs + 'ms',
			short(one.connects), short(one.failures),
		]], 'Redis of ' + one.section));
		const tables = make('div', 'scroll');
		tables.append(table(['Table', 'State', 'Not written', 'Entries', 'Written', 'Read'], one.tables.map((each) => [
			make('span', '', each.name + (each.mode === 'sums' ? ' (shares)' : '')),
			[each.state === 'open' ? '' : 'state-bad', WRITERS[each.state]],
			each.pendingUpdates === 0 ? 'nothing' : short(each.pendingUpdates),
			each.entriesInRedis.toLocaleString('en'), short(each.entriesWritten), short(each.entriesRead),
		]), 'Tables through Redis of ' + one.section));
		// A node may have something in each table: what came last counts.
		const nodes = new Map();
		for (const { name, isAlive, lagMs, lastWordMs } of one.tables.flatMap((each) => each.nodes)) {
			const known = nodes.get(name);
			if (known === undefined || (lastWordMs ?? Infinity) < (known.lastWordMs ?? Infinity)) nodes.set(name, { isAlive: isAlive || known?.isAlive, lagMs, lastWordMs });
			else known.isAlive ||= isAlive;
		}
		if (nodes.size === 0) return [where, tables];
		const others = make('div', 'scroll');
		others.append(table(['Node', 'State', 'Lag', 'Last word'], [...nodes].map(([name, { isAlive, lagMs, lastWordMs }]) => [
			make('span', '', name),
			[isAlive ? 'state-good' : 'state-bad', isAlive ? 'there' : 'away'],
			lagOf(lagMs), since(lastWordMs),
		]), 'Nodes beyond Redis of ' + one.section));
		return [where, tables, others];
	}));
}

function updateSums(all) {
	const origins = all.filter((one) => one.sumTable !== undefined);
	if (!showPanel('sums', origins.length > 0)) return;
	const wrap = make('div', 'scroll');
	wrap.append(table(['Origin', 'Table', 'State', 'Entries', 'Lag', 'Last word'], origins.map((one) => [
		make('span', '', one.origin + (one.via === 'redis' ? ' (Redis)' : '')),
		one.table + ' to ' + one.sumTable,
		[one.isLive ? 'state-good' : 'state-bad', one.isLive ? 'there' : 'away'],
		one.entries === undefined ? '-' : one.entries.toLocaleString('en'),
		lagOf(one.lagMs),
		since(one.lastHeardMs),
	]), 'Sums over nodes'));
	byId('sum-list').replaceChildren(wrap);
}

// ---- what needs attention

const troubles = byId('troubles');
let saidTroubles = '';
let lastReport;
let evictionsBefore = new Map();
let evicting = [];
function noteEvictions(tables) {
	evicting = tables.filter((one) => one.evictions + one.refusals > (evictionsBefore.get(one.name) ?? Infinity));
	evictionsBefore = new Map(tables.map((one) => [one.name, one.evictions + one.refusals]));
}

const NAMED_MAX = 4;
function rowTroubles(selector, kind, words) {
	const rows = [...document.querySelectorAll(selector)];
	if (rows.length === 0) return [];
	const nameOf = (row) => {
		const proxy = row.closest('section').querySelector('h2 a').textContent;
		return row.classList.contains('backend') ? proxy : proxy + '/' + row.children[1].firstChild.textContent;
	};
	const more = rows.length > NAMED_MAX ? ' and ' + (rows.length - NAMED_MAX) + ' more' : '';
	return [{ kind, href: '#' + rows[0].id, text: words(rows.length) + ': ' + rows.slice(0, NAMED_MAX).map(nameOf).join(', ') + more }];
}

function updateTroubles() {
	const found = [
		...rowTroubles('tr.backend.down', 'bad', (n) => n === 1 ? 'A backend has no server left' : n + ' backends have no server left'),
		...rowTroubles('tr.server.down', 'bad', (n) => n === 1 ? 'A server is down' : n + ' servers are down'),
		...rowTroubles('tr.server.warn', 'warn', (n) => n === 1 ? 'A server is about to change its state' : n + ' servers are about to change their state'),
	];
	const report = lastReport;
	if (report) {
		for (const one of report.tables) {
			const percent = one.size > 0 ? one.used / one.size * 100 : 0;
			const losing = evicting.some(({ name }) => name === one.name);
			if (losing) found.push({ kind: 'bad', href: '#tables', text: 'Table ' + one.name + ' is full and loses entries (' + one.evictions.toLocaleString('en') + ' evicted so far)' });
			else if (percent >= 90) found.push({ kind: 'warn', href: '#tables', text: 'Table ' + one.name + ' is ' + percent.toFixed(0) + '% full' });
		}
		for (const one of report.peers) {
			if (one.isLocal) continue;
			const name = 'Peer ' + one.section + '/' + one.name;
			if (!one.isConnected || one.status !== 'ESTA') found.push({ kind: 'bad', href: '#peers', text: name + ' is away' + (one.trouble ? ': ' + one.trouble : '') });
			else if (one.lagMs > 5000) found.push({ kind: 'warn', href: '#peers', text: name + ' is ' + ago(one.lagMs) + ' behind' });
		}
		for (const one of report.redis) {
			const name = 'Redis of ' + one.section;
			if (!one.isReady) found.push({ kind: 'bad', href: '#redis', text: name + ' is away' + (one.trouble ? ': ' + one.trouble : '') });
			else if (one.claim === 'apart' || one.claim === 'lost') found.push({ kind: 'bad', href: '#redis', text: name + ': ' + one.node + ' ' + CLAIMS[one.claim] });
			else if (one.lastRoundMs > 5000) found.push({ kind: 'warn', href: '#redis', text: name + ' has said nothing for ' + ago(one.lastRoundMs) });
		}
		for (const one of report.origins) if (one.sumTable !== undefined && !one.isLive) found.push({ kind: 'warn', href: '#sums', text: 'Sums lack fresh counts of ' + one.origin + ' (' + one.table + ')' });
		const last = report.reloads[report.reloads.length - 1];
		if (last && !last.succeeded) found.push({ kind: 'bad', href: '#reloads', text: 'The last reload failed: ' + last.reason });
	}
	const said = JSON.stringify(found);
	if (said === saidTroubles) return;
	saidTroubles = said;
	troubles.hidden = false;
	troubles.className = 'troubles ' + (found.length === 0 ? 'calm' : found.some(({ kind }) => kind === 'bad') ? 'bad' : 'warn');
	const title = make('h2', '', found.length === 0 ? 'All is well' : found.length === 1 ? '1 thing needs attention' : found.length + ' things need attention');
	if (found.length === 0) { troubles.replaceChildren(title); return; }
	const list = make('ul');
	for (const { kind, href, text } of found) {
		const item = make('li', kind);
		const link = make('a', '', text);
		link.href = href;
		item.append(link);
		list.append(item);
	}
	troubles.replaceChildren(title, list);
}

function updateReloads(report) {
	const list = byId('reload-list');
	if (report.reloads.length === 0) { list.replaceChildren(make('p', 'empty', 'none yet')); return; }
	const wrap = make('div', 'scroll');
	wrap.append(table(['When', 'Outcome', 'Took'], report.reloads.slice().reverse().map((one) => {
		const when = make('time', '', new Date(one.atMs).toLocaleString());
		when.dateTime = new Date(one.atMs).toISOString();
		const outcome = one.succeeded ? ['state-good', one.generation === report.generation ? 'serving' : 'loaded'] : ['state-bad', 'failed: ' + one.reason];
		return [when, outcome, one.tookMs + ' ms'];
	}), 'Reloads'));
	list.replaceChildren(wrap);
}

function updateThreads(threads) {
	const wrap = make('div', 'scroll');
	wrap.append(table(['Thread', 'Busy', 'Loop delay p99', 'Longest', 'Heap', 'Requests'], threads.map((one, i) => [
		String(i), Math.round(one.utilization * 100) + '%', one.delayP99Ms.toFixed(1) + ' ms',
		[one.delayMaxMs > 100 ? 'state-warn' : '', one.delayMaxMs.toFixed(1) + ' ms'],
		short(one.heapBytes), short(one.requests),
	]), 'Data threads'));
	byId('thread-list').replaceChildren(wrap);
}

// ---- the stream of updates

const live = byId('live');
let said = '';
function say(kind, text) {
	live.className = 'live ' + kind;
	// Spoken only when it changes, not at every update.
	if (said === kind) { const span = live.firstElementChild; if (span) span.textContent = text; return; }
	said = kind;
	live.replaceChildren(make('span', '', text));
}

const source = document.body.dataset.live;
if (!source) say('', 'updates are off');
else {
	let events;
	const open = () => {
		events = new EventSource(source);
		events.addEventListener('open', () => say('on', 'live'));
		events.addEventListener('error', () => {
			say('off', 'connection lost, trying again');
			if (events.readyState === EventSource.CLOSED) setTimeout(open, 3000);
		});
		events.addEventListener('rows', (event) => { updateRows(JSON.parse(event.data)); updateTroubles(); });
		events.addEventListener('process', (event) => {
			const update = JSON.parse(event.data);
			setText(byId('fact-uptime'), update.uptime);
			setText(byId('fact-conns'), String(update.conns));
			updateThreads(update.threads);
			say('on', 'live');
		});
		events.addEventListener('report', (event) => {
			const report = JSON.parse(event.data);
			lastHistory = report.history;
			updateCharts(report.history);
			updateTables(report.tables, report.atMs);
			updatePeers(report.peers);
			updateRedis(report.redis);
			updateSums(report.origins);
			updateReloads(report);
			lastReport = report;
			noteEvictions(report.tables);
			updateTroubles();
			setText(byId('fact-pid'), String(report.pid));
		});
	};
	open();
	addEventListener('pagehide', () => events.close());
	addEventListener('pageshow', (event) => { if (event.persisted) open(); });
}

// ---- controls

const isShown = (row) => !row.hidden && !row.parentElement.hidden;
for (const all of document.querySelectorAll('.pick-all')) {
	all.addEventListener('change', () => {
		for (const box of all.closest('table').querySelectorAll('input[name=s]')) {
			if (isShown(box.closest('tr'))) box.checked = all.checked;
		}
	});
}
const FOUND_MAX = 200;
for (const more of document.querySelectorAll('.more')) {
	const bodies = [...more.closest('section').querySelectorAll('tbody')];
	const wasHidden = new Map(bodies.map((body) => [body, body.hidden]));
	more.querySelector('.show-more').addEventListener('click', () => {
		const next = bodies.find((body) => body.hidden);
		if (next) { next.hidden = false; wasHidden.set(next, false); }
		if (!bodies.some((body) => body.hidden)) more.querySelector('.show-more').remove();
	});
	const find = more.querySelector('.find');
	let waiting;
	find.addEventListener('input', () => {
		clearTimeout(waiting);
		waiting = setTimeout(() => {
			const text = find.value.trim().toLowerCase();
			let found = 0;
			for (const body of bodies) {
				let any = false;
				for (const row of body.rows) {
					if (!row.classList.contains('server')) { any = true; continue; }
					const hit = text === '' || (found < FOUND_MAX && row.children[1].textContent.toLowerCase().includes(text));
					row.hidden = !hit;
					if (hit) { found++; any = true; }
				}
				body.hidden = text === '' ? wasHidden.get(body) : !any;
			}
		}, 150);
	});
	find.addEventListener('keydown', (event) => { if (event.key === 'Enter') event.preventDefault(); });
}
const columns = byId('all-columns');
columns.addEventListener('click', () => {
	const brief = document.body.classList.toggle('brief');
	columns.setAttribute('aria-pressed', String(!brief));
});
})();
`.trim();
