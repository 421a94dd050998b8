/**
 * Lines that are kept as words for those who compile rules (`tcp-request`, `http-request`, ...), and what can
 * be said of their order without knowing what they mean.
 */
import type { ProxyDraft } from '../draft.js';
import type { Line } from '../model.js';
import type { Keyword, Statement } from '../statement.js';
import type { ProxySite } from './proxy-site.js';

/** Lists of the draft that hold rules as they stand in the file. */
type RuleList =
	| 'tcpRequestConnection'
	| 'tcpRequestSession'
	| 'tcpRequestContent'
	| 'tcpResponseContent'
	| 'httpRequest'
	| 'httpResponse'
	| 'httpAfterResponse';

/**
 * The order in which HAProxy runs its rule sets. A line that stands after a line of a later set is run
 * before it all the same, and HAProxy says so.
 */
const RULE_ORDER: readonly (readonly [
	field: RuleList | 'useBackends' | 'redirects',
	/** What the rule that comes too late is called, and the one it follows. */
	late: string,
	before: string,
])[] = [
	['tcpRequestConnection', 'tcp-request', "a 'tcp-request connection'"],
	['tcpRequestSession', 'tcp-request', "a 'tcp-request session'"],
	['tcpRequestContent', 'tcp-request', "a 'tcp-request content'"],
	['httpRequest', 'http-request', "an 'http-request'"],
	['redirects', 'redirect', "a 'redirect'"],
	['useBackends', 'use_backend', "a 'use_backend'"],
];

export function warnOrder(statement: Statement, proxy: ProxyDraft, field: string): void {
	const at = RULE_ORDER.findIndex(([name]) => name === field);
	if (at === -1) return;
	for (const [later, , before] of RULE_ORDER.slice(at + 1)) {
		if (proxy[later].length === 0) continue;
		statement.warning(`a '${RULE_ORDER[at]?.[1]}' rule placed after ${before} rule will still be processed before.`);
		return;
	}
}

/** Actions after which HAProxy looks at no further rule of the set. */
const FINAL_ACTIONS: ReadonlySet<string> = new Set([
	'accept',
	'allow',
	'deny',
	'redirect',
	'reject',
	'return',
	'silent-drop',
	'tarpit',
]);

/** A rule of an HTTP set that ends the set for every request: what follows it is never reached. */
function isFinal(field: RuleList, line: Line): boolean {
	const ends = FINAL_ACTIONS.has(line.words[0] ?? '') && field.startsWith('http');
	return ends && !line.words.some((word) => word === 'if' || word === 'unless');
}

/** Rules may stand in a defaults section only if it has a name (manual, 4.1, the mark (!)). */
export function refuseInAnonymousDefaults(statement: Statement, proxy: ProxyDraft, keyword: string): boolean {
	if (proxy.kind !== 'defaults' || proxy.name !== '') return false;
	statement.alert(`'${keyword}' not allowed in anonymous 'defaults' section.`);
	return true;
}

export function ruleRow(name: string, field: RuleList, sections?: readonly string[]): Keyword<ProxySite> {
	const length = name.split(' ').length;
	return {
		name,
		sections,
		strictSections: true,
		parse(statement, { proxy }) {
			if (refuseInAnonymousDefaults(statement, proxy, name)) return;
			if (statement.word(length) === '') {
				statement.alert(`'${name}' expects an action.`);
				return;
			}
			const last = proxy[field].at(-1);
			if (last !== undefined && isFinal(field, last)) {
				statement.warning(
					`previous '${name}' action is final and has no condition attached, further entries are NOOP.`,
				);
			}
			warnOrder(statement, proxy, field);
			proxy[field].push(statement.rest(length));
		},
	};
}
