/** `stats ...` in proxies (manual, 4.2). Any of these lines but `admin` and `http-request` turns the page on. */
import type { Place } from '../../core/diagnostics.js';
import type { ProxyDraft, Writable } from '../draft.js';
import type { StatsModel } from '../model.js';
import type { Keyword, Statement } from '../statement.js';
import type { ProxySite } from './proxy-site.js';

const DEFAULT_URI = '/haproxy?stats';

function statsOf(proxy: ProxyDraft, place: Place): Writable<StatsModel> {
	proxy.statsDraft ??= {
		place,
		uri: DEFAULT_URI,
		realm: undefined,
		auth: [],
		refreshSeconds: undefined,
		hideVersion: false,
		showLegends: false,
		showNode: undefined,
		showDesc: undefined,
		showModules: false,
		scope: [],
		admin: [],
		httpRequest: [],
	};
	return proxy.statsDraft;
}

type Read = (statement: Statement, stats: Writable<StatsModel>, site: ProxySite) => void;

const row = (name: string, read: Read): Keyword<ProxySite> => ({
	name: `stats ${name}`,
	parse: (statement, site) => read(statement, statsOf(site.proxy, statement.place), site),
});

/** The text after the two words, or true when there is none. */
const optionalText = (statement: Statement): string | true =>
	statement.words.length > 2 ? statement.words.slice(2).join(' ') : true;

export const STATS_KEYWORDS: readonly Keyword<ProxySite>[] = [
	row('enable', (statement) => void statement.atMost(0, 2)),
	row('uri', (statement, stats) => {
		stats.uri = statement.onlyArgument('a URI prefix', 2) ?? stats.uri;
	}),
	row('realm', (statement, stats) => {
		stats.realm = statement.onlyArgument('a realm', 2) ?? stats.realm;
	}),
	row('auth', (statement, stats) => {
		const text = statement.onlyArgument('<user>:<password>', 2);
		if (text === undefined) return;
		const colon = text.indexOf(':');
		if (colon < 1) statement.alert(`'stats auth' expects <user>:<password>, got '${text}'`);
		else stats.auth.push([text.slice(0, colon), text.slice(colon + 1)]);
	}),
	row('refresh', (statement, stats) => {
		const milliseconds = statement.timeMs(2, 'stats refresh', 's');
		if (milliseconds !== undefined) stats.refreshSeconds = Math.ceil(milliseconds / 1000);
	}),
	row('scope', (statement, stats) => {
		const name = statement.onlyArgument('the name of a proxy, or "."', 2);
		if (name !== undefined) stats.scope.push(name);
	}),
	row('hide-version', (_statement, stats) => {
		stats.hideVersion = true;
	}),
	row('show-legends', (_statement, stats) => {
		stats.showLegends = true;
	}),
	row('show-modules', (_statement, stats) => {
		stats.showModules = true;
	}),
	row('show-node', (statement, stats) => {
		stats.showNode = optionalText(statement);
	}),
	row('show-desc', (statement, stats) => {
		stats.showDesc = optionalText(statement);
	}),
	row('admin', (statement, stats, site) => {
		if (site.proxy.kind === 'defaults') statement.alert(`'stats admin' is not allowed in 'defaults' section.`);
		else if (statement.word(2) !== 'if' && statement.word(2) !== 'unless') {
			statement.alert(`'stats admin' expects 'if' or 'unless' and a condition.`);
		} else stats.admin.push(statement.rest(2));
	}),
	row('http-request', (statement, stats) => {
		const action = statement.choice(2, 'stats http-request', ['allow', 'deny', 'auth']);
		if (action !== undefined) stats.httpRequest.push(statement.rest(2));
	}),
];
