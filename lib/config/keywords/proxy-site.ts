/** What all rows of the keywords of proxies share: what they work on, where they may stand, and the plainest of them. */
import type { ProxyDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import type { Keyword } from '../statement.js';

/** What the row of a proxy's keyword works on. */
export interface ProxySite {
	readonly proxy: ProxyDraft;
	readonly state: ParserState;
}

export const FRONT = ['defaults', 'frontend', 'listen'];
export const BACK = ['defaults', 'listen', 'backend'];
export const ONLY_FRONT = ['frontend', 'listen'];
export const ONLY_BACK = ['listen', 'backend'];
export const NOT_DEFAULTS = ['frontend', 'listen', 'backend'];

export const MAX_INT = 2 ** 31 - 1;

/** A row whose one argument is put into a field of the draft. */
type TextField = 'logTag' | 'monitorUri' | 'uuid' | 'uniqueIdHeader' | 'dynamicCookieKey';
export const textRow = (
	name: string,
	field: TextField,
	what: string,
	sections?: readonly string[],
): Keyword<ProxySite> => ({
	name,
	sections,
	parse(statement, { proxy }) {
		proxy[field] = statement.onlyArgument(what) ?? proxy[field];
	},
});

export const integerRow = (
	name: string,
	field: 'maxconn' | 'backlog' | 'fullconn' | 'retries' | 'rateLimitSessions' | 'maxKeepAliveQueue' | 'id',
	sections: readonly string[] | undefined,
	min: number,
): Keyword<ProxySite> => {
	const length = name.split(' ').length;
	return {
		name,
		sections,
		parse(statement, { proxy }) {
			const value = statement.integer(length, name, min, MAX_INT);
			if (value !== undefined && statement.atMost(1, length)) proxy[field] = value;
		},
	};
};
