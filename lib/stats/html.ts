/**
 * The page: the process, its charts, every proxy in HAProxy's order, and beside them stick tables, peers and reloads,
 * which the script fills and keeps up to date. Without the script the figures are there all the same, and the forms
 * work. Made row by row, so that ten thousand servers are sent while they are made.
 *
 * The text is a byte string: names are bytes of the configuration, most likely UTF-8, and are passed on as such.
 */
import { programPid } from '../core/program-pid.js';
import { VERSION, VERSION_DATE } from '../core/version.js';
import { RowType, Stat } from '../runtime-api/stat-columns.js';
import { proxyRows, type StatRow } from '../runtime-api/stat-rows.js';
import { ADMIN_ACTIONS } from './admin.js';
import { PAGE_STYLE } from './assets/style.js';
import { chartsStyle } from './assets/uplot.js';
import { COLUMN_GROUPS, PAGE_COLUMNS, rowCells, rowClass, rowId, shortTime } from './cells.js';
import { escapeHtml } from './escape.js';
import type { StatsPage } from './page.js';
import { type PageOptions, pageLink } from './page-options.js';

/** Servers of one backend that are shown at once; the rest wait behind a button and a search, or are all there without a script. */
const SERVERS_SHOWN = 200;

const OUTCOMES: Readonly<Record<string, readonly [kind: string, text: string]>> = {
	DONE: ['good', 'Action processed successfully.'],
	NONE: ['warn', 'Nothing has changed.'],
	PART: ['warn', 'Action partially processed: some server names are unknown.'],
	ERRP: ['bad', 'Action not processed: the action, the backend or the servers are unknown.'],
	EXCD: ['bad', 'Action not processed: too many servers at a time. Try fewer.'],
	DENY: ['bad', 'Action denied.'],
};

/** On a telephone only the columns that matter most, unless all are asked for. */
const NARROW_STYLE = PAGE_COLUMNS.flatMap(({ narrow }, index) =>
	narrow === undefined
		? [`.brief .proxy tbody tr>:nth-child(${index + 3}),.brief .proxy thead tr:last-child>:nth-child(${index + 1})`]
		: [],
).join(',');

export function* pageHtml(page: StatsPage, options: PageOptions, nonce: string, isAdmin: boolean): Generator<string> {
	const { model, source } = page;
	const title = `Statistics${model.showNode === undefined ? '' : ` for ${page.nodeName()}`}`;
	const refresh =
		model.refreshSeconds !== undefined && options.refreshes
			? `<meta http-equiv="refresh" content="${model.refreshSeconds}">`
			: '';
	const live = pageLink(model.uri, options, { format: 'live' });
	yield `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,"><noscript>${refresh}<style nonce="${nonce}">tbody[hidden]{display:table-row-group!important}.needs-script{display:none}</style></noscript>
<style nonce="${nonce}">${PAGE_STYLE}${chartsStyle()}@media(max-width:760px){.brief th[scope=colgroup],${NARROW_STYLE}{display:none}}</style>
</head><body class="brief" data-live="${escapeHtml(options.refreshes ? live : '')}">
<a class="skip" href="#proxies">Skip to the proxies</a>
`;
	yield header(page, options);
	yield '<main id="proxies" aria-label="Proxies">\n';
	for (const proxy of source.model.proxies) {
		if (proxy.disabled || !page.shows(proxy, options)) continue;
		yield* proxyHtml(page, proxyRows(source, proxy, { legends: true }), options, isAdmin);
	}
	yield `</main>\n${PANELS}<footer><p>Holdfast${model.hideVersion ? '' : ` ${VERSION}, ${VERSION_DATE}`}. <a href="${escapeHtml(pageLink(model.uri, options, { format: 'csv', refreshes: false }))}">CSV</a> <a href="${escapeHtml(pageLink(model.uri, options, { format: 'json', refreshes: false }))}">JSON</a></p></footer>
<script nonce="${nonce}" src="${escapeHtml(pageLink(model.uri, PLAIN, { format: 'charts' }))}" defer></script><script nonce="${nonce}" src="${escapeHtml(pageLink(model.uri, PLAIN, { format: 'script' }))}" defer></script></body></html>
`;
}

const PLAIN: PageOptions = {
	format: 'html',
	hidesDown: false,
	hidesMaintenance: false,
	refreshes: true,
	scope: '',
	outcome: undefined,
};

function header(page: StatsPage, options: PageOptions): string {
	const { model, source } = page;
	const version = model.hideVersion ? '' : ` <small>${VERSION}</small>`;
	const node = model.showNode === undefined ? '' : ` <span class="node">${escapeHtml(page.nodeName())}</span>`;
	const text = page.description();
	const description = text === undefined ? '' : `<p class="description">${escapeHtml(text)}</p>`;
	const outcome = options.outcome === undefined ? undefined : OUTCOMES[options.outcome];
	const message =
		outcome === undefined
			? ''
			: `<p class="message ${outcome[0]}" role="status">${outcome[1]} <a href="${escapeHtml(pageLink(model.uri, options))}">Dismiss</a></p>`;
	const uptime = Math.floor((source.clock.monotonicMs() - source.startedMonotonicMs) / 1000);
	const facts: readonly (readonly [id: string, label: string, value: string])[] = [
		['uptime', 'Uptime', shortTime(uptime)],
		['conns', 'Connections', String(source.options.activeConnections())],
		['maxconn', 'Limit', source.model.global.maxconn === undefined ? 'none' : String(source.model.global.maxconn)],
		['pid', 'Process', String(programPid())],
		['threads', 'Threads', String(source.model.global.nbthread)],
	];
	const link = (change: Partial<PageOptions>, label: string): string =>
		`<a href="${escapeHtml(pageLink(model.uri, options, change))}">${label}</a>`;
	const links = [
		link(
			{ hidesDown: !options.hidesDown },
			options.hidesDown ? 'Show servers that are down' : 'Hide servers that are down',
		),
		link({ refreshes: !options.refreshes }, options.refreshes ? 'Stop updates' : 'Update live'),
		link({}, 'Refresh now'),
		link({ format: 'csv', refreshes: false }, 'CSV'),
		link({ format: 'json', refreshes: false }, 'JSON'),
	].join(' ');
	return `<header><div class="bar"><h1>Holdfast${version}${node}</h1>
<p id="live" class="live" role="status" aria-live="polite"><span class="needs-script">connecting</span></p></div>
${description}${message}<dl class="facts">${facts.map(([id, label, value]) => `<div><dt>${label}</dt><dd id="fact-${id}">${value}</dd></div>`).join('')}</dl>
<section id="troubles" class="troubles needs-script" role="status" aria-label="What needs attention" hidden></section>
<div id="charts" class="charts needs-script" role="group" aria-label="The last five minutes"></div>
<nav aria-label="Sections and options"><span class="sections"><a href="#proxies">Proxies</a> <a href="#tables">Stick tables</a> <a href="#peers">Peers</a> <a href="#redis" hidden>Redis</a> <a href="#sums" hidden>Sums</a> <a href="#reloads">Reloads</a> <a href="#threads">Threads</a></span>
<span class="links">${links}</span><form method="get" action="${escapeHtml(model.uri)}"><label>Scope <input name="scope" maxlength="20" size="10" value="${escapeHtml(options.scope)}"></label></form>
<button type="button" id="all-columns" class="needs-script" aria-pressed="false">All columns</button></nav></header>
`;
}

const PANELS = `<aside aria-label="Stick tables, peers and reloads">
<section id="tables" class="panel needs-script" tabindex="-1"><h2>Stick tables</h2><div class="cards" id="table-cards"><p class="empty">waiting for the first look</p></div></section>
<section id="peers" class="panel needs-script" tabindex="-1"><h2>Peers</h2><div id="peer-list"><p class="empty">none</p></div></section>
<section id="redis" class="panel needs-script" tabindex="-1" hidden><h2>Redis</h2><div id="redis-list"></div></section>
<section id="sums" class="panel needs-script" tabindex="-1" hidden><h2>Sums over nodes</h2><div id="sum-list"></div></section>
<section id="reloads" class="panel needs-script" tabindex="-1"><h2>Reloads</h2><div id="reload-list"><p class="empty">none yet</p></div></section>
<section id="threads" class="panel needs-script" tabindex="-1"><h2>Data threads</h2><div id="thread-list"></div></section>
</aside>
`;

function tableHead(withActions: boolean): string {
	const groups = COLUMN_GROUPS.map(
		({ label, columns }) => `<th scope="colgroup" colspan="${columns.length}">${label}</th>`,
	).join('');
	const labels = PAGE_COLUMNS.map(
		({ label, title, narrow }) =>
			`<th scope="col"><abbr title="${title}"${narrow === undefined ? '' : ` data-narrow="${narrow}"`}>${label}</abbr></th>`,
	).join('');
	const check = withActions
		? '<td rowspan="2" class="pick"><input type="checkbox" class="pick-all needs-script" aria-label="all servers shown"></td>'
		: '<td rowspan="2" class="pick"></td>';
	return `<thead><tr>${check}<th rowspan="2" scope="col" class="name">Name</th>${groups}</tr><tr>${labels}</tr></thead>`;
}

const HEAD_PLAIN = tableHead(false);
const HEAD_ACTIONS = tableHead(true);

function* proxyHtml(
	page: StatsPage,
	rows: Iterable<StatRow>,
	options: PageOptions,
	isAdmin: boolean,
): Generator<string> {
	let servers = 0;
	let opened = false;
	let withForm = false;
	let last: StatRow | undefined;
	for (const row of rows) {
		last = row;
		if (!opened) {
			const { proxy } = row;
			const name = escapeHtml(proxy.name);
			withForm = isAdmin && proxy.kind !== 'frontend' && proxy.servers.length > 0;
			const legend = page.model.showLegends ? `, mode ${proxy.mode}, id ${proxy.id}` : '';
			const description = proxy.description === undefined ? '' : ` <small>${escapeHtml(proxy.description)}</small>`;
			yield `<section class="proxy" aria-labelledby="p${proxy.id}"><h2 id="p${proxy.id}"><a id="${name}" href="#${name}">${name}</a> <small>${proxy.kind}${legend}</small>${description}</h2>${withForm ? `<form method="post" action="${escapeHtml(pageLink(page.model.uri, options))}">` : ''}
<div class="scroll" role="region" tabindex="0" aria-labelledby="p${proxy.id}"><table><caption class="spoken">${name}</caption>${withForm ? HEAD_ACTIONS : HEAD_PLAIN}<tbody>\n`;
			opened = true;
		}
		if (row.type === RowType.SERVER) {
			if (isHidden(row, options)) continue;
			servers++;
			if (servers % SERVERS_SHOWN === 1 && servers > 1) yield '<tbody hidden>\n';
		} else if (row.type === RowType.BACKEND && servers > 0) yield '<tbody>\n';
		yield rowHtml(page, row, withForm);
	}
	if (!opened || last === undefined) return;
	yield '</table></div>';
	if (servers > SERVERS_SHOWN) {
		yield `<p class="more needs-script">${SERVERS_SHOWN} of ${servers} servers are shown. <button type="button" class="show-more">Show ${SERVERS_SHOWN} more</button> <label>Find a server <input type="search" class="find" size="16"></label></p>`;
	}
	if (withForm) yield actionsHtml(last);
	yield withForm ? '</form></section>\n' : '</section>\n';
}

/** `;up` hides what is down and `;no-maint` what is in maintenance, as observed. */
export function isHidden(row: StatRow, options: PageOptions): boolean {
	if (row.type !== RowType.SERVER || (!options.hidesDown && !options.hidesMaintenance)) return false;
	const status = String(row.values[Stat.status]);
	return status.startsWith('MAINT') || (options.hidesDown && status.startsWith('DOWN'));
}

function rowHtml(page: StatsPage, row: StatRow, withForm: boolean): string {
	const name = escapeHtml(nameOf(row));
	const pick =
		withForm && row.type === RowType.SERVER
			? `<td class="pick"><input type="checkbox" name="s" value="${name}" aria-label="${name}">`
			: '<td class="pick">';
	const cells = rowCells(row)
		.map((cell) => `<td>${escapeHtml(cell)}`)
		.join('')
		.replaceAll('\u00a0', '&nbsp;');
	return `<tr id="${rowId(row)}" class="${rowClass(row)}">${pick}<th scope="row" class="name">${name}${page.model.showLegends ? legendOf(row) : ''}${cells}\n`;
}

function nameOf({ type, values }: StatRow): string {
	if (type === RowType.FRONTEND) return 'Frontend';
	return type === RowType.BACKEND ? 'Backend' : String(values[Stat.svname]);
}

/** `stats show-legends`: addresses, ids, cookies, algorithms. */
function legendOf({ type, id, values }: StatRow): string {
	const parts: string[] = [];
	const addr = values[Stat.addr];
	const cookie = values[Stat.cookie];
	const algo = values[Stat.algo];
	if (addr !== undefined) parts.push(String(addr));
	if (type === RowType.SERVER || type === RowType.LISTENER) parts.push(`id ${id}`);
	if (algo !== undefined) parts.push(`balance ${algo}`);
	if (cookie !== undefined) parts.push(`cookie ${cookie}`);
	return parts.length === 0 ? '' : `<small>${escapeHtml(parts.join(', '))}</small>`;
}

function actionsHtml(row: StatRow): string {
	const options = [...ADMIN_ACTIONS].map(([value, { label }]) =>
		label === undefined ? '' : `<option value="${value}">${label}</option>`,
	);
	return `<p class="actions"><label>Action on the checked servers <select name="action"><option value=""></option>${options.join('')}</select></label><input type="hidden" name="b" value="#${row.proxy.id}"> <button type="submit">Apply</button></p>`;
}
