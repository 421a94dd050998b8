/**
 * The table of actions: the rows of every family by name, and the names of the manual that Holdfast knows
 * and refuses. A new action is one row in its family's file.
 */
import type { RuleSite } from '../../sample/types.js';
import type { ActionDescriptor } from '../action.js';
import { ADDRESS_ACTIONS } from './addresses.js';
import { FILTER_ACTIONS } from './filters.js';
import { HEADER_ACTIONS } from './headers.js';
import { LOGGING_ACTIONS } from './logging.js';
import { PATTERN_ACTIONS } from './patterns.js';
import { PAYLOAD_ACTIONS } from './payload.js';
import { REDIRECT_ACTIONS } from './redirect.js';
import { REPLY_ACTIONS } from './replies.js';
import { REQUEST_LINE_ACTIONS } from './request-line.js';
import { RESOLUTION_ACTIONS } from './resolution.js';
import { RESPONSE_ACTIONS } from './response.js';
import { SCHEDULING_ACTIONS } from './scheduling.js';
import { SERVICE_ACTIONS } from './services.js';
import { TIMING_ACTIONS } from './timing.js';
import { TRACKING_ACTIONS } from './tracking.js';
import { VARIABLE_ACTIONS } from './variables.js';
import { VERDICT_ACTIONS } from './verdicts.js';

const FAMILIES: readonly (readonly ActionDescriptor[])[] = [
	VERDICT_ACTIONS,
	REPLY_ACTIONS,
	SERVICE_ACTIONS,
	REDIRECT_ACTIONS,
	HEADER_ACTIONS,
	REQUEST_LINE_ACTIONS,
	RESPONSE_ACTIONS,
	VARIABLE_ACTIONS,
	LOGGING_ACTIONS,
	TIMING_ACTIONS,
	TRACKING_ACTIONS,
	ADDRESS_ACTIONS,
	RESOLUTION_ACTIONS,
	SCHEDULING_ACTIONS,
	PATTERN_ACTIONS,
	FILTER_ACTIONS,
	PAYLOAD_ACTIONS,
];

export const ACTIONS: ReadonlyMap<string, ActionDescriptor> = new Map(
	FAMILIES.flatMap((family) => family.map((row) => [row.name, row] as const)),
);

const NO_SPOE = 'there are no agents behind filters: SPOE is not spoken';
const NO_SOCKET_OPTION = 'Node sets no such option on a socket';

/** In the manual of 2.6 or of a later version, and not here, with the reason. */
export const UNSUPPORTED_ACTIONS: ReadonlyMap<string, string> = new Map([
	['ot-group', 'there is no OpenTracing filter'],
	['send-spoe-group', NO_SPOE],
	['set-bc-mark', NO_SOCKET_OPTION],
	['set-bc-tos', NO_SOCKET_OPTION],
	['set-fc-mark', NO_SOCKET_OPTION],
	['set-fc-tos', NO_SOCKET_OPTION],
	['set-mark', NO_SOCKET_OPTION],
	['set-tos', NO_SOCKET_OPTION],
	['attach-srv', 'there are no reverse connections'],
	...['add-headers-bin', 'del-headers-bin'].map((name) => [name, 'not built'] as const),
]);

/** Why an action of the manual is refused; undefined: it is none of those. */
export function unsupportedAction(keyword: string): string | undefined {
	return keyword.startsWith('lua.') ? 'there is no Lua' : UNSUPPORTED_ACTIONS.get(keyword);
}

/** The row of a keyword without its parentheses; `track-sc0` and its like share one. */
export function findAction(keyword: string): ActionDescriptor | undefined {
	return ACTIONS.get(keyword.startsWith('track-sc') ? 'track-sc' : keyword);
}

/** The names that may stand in a rule set, as its errors list them. */
export function actionNames(site: RuleSite): string[] {
	const names: string[] = [];
	for (const row of ACTIONS.values()) {
		if (!row.sites.includes(site)) continue;
		names.push(row.name === 'track-sc' ? 'track-sc<n>' : row.parentheses === true ? `${row.name}(*)` : row.name);
	}
	return names.sort();
}
