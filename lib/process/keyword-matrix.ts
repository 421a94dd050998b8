/**
 * The matrix of keywords that `-vv` prints: every word of the configuration language, whether this program has it, and
 * if not, why. It is made from the tables that parse and compile, so it cannot say anything else than they do.
 *
 *     yes                        built
 *     yes, without effect: ...   accepted, because doing nothing is harmless
 *     no: ...                    refused by name
 */
import { ACL_KEYWORDS } from '../acl/keywords.js';
import { PENDING } from '../config/features.js';
import { AGGREGATIONS_KEYWORDS } from '../config/keywords/aggregations.js';
import { bindOptionRows } from '../config/keywords/bind.js';
import { GLOBAL_KEYWORDS } from '../config/keywords/global.js';
import { HTTP_ERRORS_KEYWORDS } from '../config/keywords/http-errors.js';
import { LOG_FORWARD_KEYWORDS } from '../config/keywords/log-forward.js';
import { PEERS_KEYWORDS } from '../config/keywords/peers.js';
import { PROXY_KEYWORDS } from '../config/keywords/proxy.js';
import { serverOptionRows } from '../config/keywords/server.js';
import { USERLIST_KEYWORDS } from '../config/keywords/userlist.js';
import { BUILT_SECTIONS, REFUSED_SECTIONS } from '../config/sections.js';
import { ALL_SITES } from '../rules/action.js';
import { ACTIONS, UNSUPPORTED_ACTIONS } from '../rules/actions/index.js';
import { CONVERTERS, UNSUPPORTED_CONVERTERS } from '../sample/converters/index.js';
import { FETCHES, UNSUPPORTED_FETCHES } from '../sample/fetches/index.js';
import { LOG_ALIASES } from '../sample/log-aliases.js';

export interface MatrixRow {
	readonly name: string;
	/** `yes`, `yes, without effect: <why>` or `no: <why>`. */
	readonly state: string;
	/** Where it may stand, in one word for each place; empty: anywhere in its table. */
	readonly places: readonly string[];
}

export interface MatrixTable {
	readonly title: string;
	readonly rows: readonly MatrixRow[];
}

/** What rows of the parser's tables have in common. */
interface ParserRow {
	readonly name: string;
	readonly sections?: readonly string[];
	readonly withoutEffect?: string;
	readonly refused?: string | true;
}

const NOT_BUILT = 'not built';

const pendingByName: ReadonlyMap<string, string | undefined> = new Map(
	PENDING.map(({ name, withoutEffect }) => [name, withoutEffect]),
);

function stateOf({ name, withoutEffect, refused }: ParserRow, prefix: string): string {
	if (refused !== undefined) return `no: ${refused === true ? NOT_BUILT : refused}`;
	if (withoutEffect !== undefined) return `yes, without effect: ${withoutEffect}`;
	const pendingName = prefix + name;
	if (!pendingByName.has(pendingName)) return 'yes';
	const reason = pendingByName.get(pendingName);
	return reason === undefined ? `no: ${NOT_BUILT}` : `yes, without effect: ${reason}`;
}

const byName = (one: MatrixRow, other: MatrixRow): number =>
	one.name < other.name ? -1 : one.name > other.name ? 1 : 0;

function parserTable(title: string, rows: Iterable<ParserRow>, prefix = ''): MatrixTable {
	return {
		title,
		rows: Array.from(rows, (row) => ({
			name: row.name,
			state: stateOf(row, prefix),
			places: row.sections ?? [],
		})).sort(byName),
	};
}

function sampleTable(
	title: string,
	built: ReadonlyMap<string, unknown>,
	unsupported: ReadonlyMap<string, string>,
): MatrixTable {
	const rows: MatrixRow[] = Array.from(built.keys(), (name) => ({ name, state: 'yes', places: [] }));
	for (const [name, reason] of unsupported) rows.push({ name, state: `no: ${reason}`, places: [] });
	return { title, rows: rows.sort(byName) };
}

function actionTable(): MatrixTable {
	const rows: MatrixRow[] = Array.from(ACTIONS.values(), ({ name, sites }) => ({ name, state: 'yes', places: sites }));
	for (const [name, reason] of UNSUPPORTED_ACTIONS) rows.push({ name, state: `no: ${reason}`, places: [] });
	rows.push({ name: 'lua.*', state: 'no: there is no Lua', places: [] });
	return { title: 'Actions', rows: rows.sort(byName) };
}

function sectionTable(): MatrixTable {
	const rows: MatrixRow[] = BUILT_SECTIONS.map((name) => ({ name, state: 'yes', places: [] }));
	for (const name of REFUSED_SECTIONS) rows.push({ name, state: `no: ${NOT_BUILT}`, places: [] });
	return { title: 'Sections', rows: rows.sort(byName) };
}

/** Every table, in the manual's order of chapters. */
export function keywordMatrix(): readonly MatrixTable[] {
	return [
		sectionTable(),
		parserTable('global', GLOBAL_KEYWORDS.rows()),
		parserTable('userlist', USERLIST_KEYWORDS.rows()),
		parserTable('peers', PEERS_KEYWORDS.rows()),
		parserTable('aggregations', AGGREGATIONS_KEYWORDS.rows()),
		parserTable('http-errors', HTTP_ERRORS_KEYWORDS.rows()),
		parserTable('log-forward', LOG_FORWARD_KEYWORDS.rows()),
		parserTable('Proxies', PROXY_KEYWORDS.rows()),
		parserTable('bind options', bindOptionRows(), 'bind '),
		parserTable('server options', serverOptionRows(), 'server '),
		actionTable(),
		sampleTable('ACL keywords', ACL_KEYWORDS, new Map()),
		sampleTable('Converters', CONVERTERS, UNSUPPORTED_CONVERTERS),
		sampleTable('Fetches', FETCHES, UNSUPPORTED_FETCHES),
		sampleTable('Log format aliases', LOG_ALIASES, new Map()),
	];
}

/** Short names of the places, as one column of a line. */
const PLACE_NAMES: ReadonlyMap<string, string> = new Map([
	...['defaults', 'frontend', 'listen', 'backend'].map((name) => [name, name.charAt(0).toUpperCase()] as const),
	...ALL_SITES.map((site) => [site, site.replace(/ content$/, '').replaceAll(' ', '-')] as const),
]);

/** The matrix as text: a table after another, one keyword a line. */
export function describeKeywords(tables = keywordMatrix()): string {
	const lines: string[] = [];
	for (const { title, rows } of tables) {
		const yes = rows.filter(({ state }) => state.startsWith('yes')).length;
		lines.push('', `${title} : ${yes} of ${rows.length}`);
		const width = Math.max(...rows.map(({ name }) => name.length));
		for (const { name, state, places } of rows) {
			const where = places.map((place) => PLACE_NAMES.get(place) ?? place);
			const shown = where.length === 0 ? '' : ` [${where.join(' ')}]`;
			lines.push(`  ${name.padEnd(width)}  ${state}${shown}`);
		}
	}
	lines.push('');
	return lines.join('\n');
}
