/**
 * Keywords of `global` (manual, chapter 3) that change how strict or how talkative the whole program is: switches, and
 * what is left to choose of DNS.
 */
import type { GlobalDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import type { Keyword, Statement } from '../statement.js';

type Row = Keyword<ParserState>;
type Switch = { [K in keyof GlobalDraft]-?: GlobalDraft[K] extends boolean ? K : never }[keyof GlobalDraft];

/** The keyword alone. */
function switchRow(name: string, field: Switch): Row {
	return {
		name,
		invertible: true,
		parse(statement, { global }) {
			if (statement.atMost(0)) global[field] = statement.prefix === undefined;
		},
	};
}

/** `dns-accept-family [ipv4|ipv6|auto][,...]` (HAProxy 3.2). */
function readFamilies(statement: Statement, global: GlobalDraft): void {
	const text = statement.onlyArgument(`'auto', 'ipv4', 'ipv6', or both of the last with a comma between`);
	if (text === undefined) return;
	if (text === 'auto') {
		global.dnsFamilies = 'auto';
		return;
	}
	const families = new Set<4 | 6>();
	for (const name of text.split(',')) {
		if (name === 'ipv4') families.add(4);
		else if (name === 'ipv6') families.add(6);
		else {
			statement.alert(`'dns-accept-family' expects 'auto', 'ipv4' or 'ipv6', got '${name}'`);
			return;
		}
	}
	global.dnsFamilies = [...families];
}

export const GLOBAL_BEHAVIOUR_KEYWORDS: readonly Row[] = [
	switchRow('zero-warning', 'zeroWarning'),
	switchRow('h1-accept-payload-with-any-method', 'acceptsPayloadWithAnyMethod'),
	switchRow('pp2-never-send-local', 'pp2NeverSendLocal'),
	{
		name: 'harden.reject-privileged-ports.tcp',
		parse(statement, { global }) {
			const value = statement.choice(1, 'harden.reject-privileged-ports.tcp', ['on', 'off']);
			if (value !== undefined && statement.atMost(1)) global.rejectsPrivilegedPorts = value === 'on';
		},
	},
	{
		name: 'warn-blocked-traffic-after',
		parse(statement, { global }) {
			const value = statement.timeMs(1, 'warn-blocked-traffic-after');
			if (value === undefined || !statement.atMost(1)) return;
			if (value < 1 || value > 1000) {
				statement.alert(
					`'warn-blocked-traffic-after' expects a time between 1 and 1000 ms, got '${statement.word(1)}'`,
				);
			} else global.warnBlockedTrafficMs = value;
		},
	},
	{ name: 'dns-accept-family', parse: (statement, { global }) => readFamilies(statement, global) },
];
