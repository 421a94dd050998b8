/**
 * Looks at a running program again and again: two lines of commands a look, each over a connection of its own, as any
 * client of the runtime API does it, so that a reload, a restart or a limit of connections is met by the next look.
 *
 * To find a table's hottest keys the program walks the table. Top must not be the load that it is meant to find:
 * a table whose walk took long is asked for again only after ten times as long.
 */
import {
	leadingData,
	parseInfo,
	parseKeys,
	parsePeers,
	parseStat,
	parseSums,
	parseTables,
	splitAnswers,
	type TableKeys,
	type TopData,
	type TopSnapshot,
	type TopTable,
} from './snapshot.js';

/** Gives a line of commands, resolves with all that was answered. */
export type Ask = (line: string) => Promise<string>;

const LOOK = ['show info', 'show stat', 'show table json', 'show peers json', 'show aggregations json'];
/** At most this share of the time a table is walked for us. */
const WALK_SHARE = 0.1;
const KEYS_PER_TABLE = 100;

interface Walk {
	keys: TableKeys | undefined;
	notBeforeMs: number;
}

export class TopSource {
	readonly #ask: Ask;
	readonly #nowMs: () => number;
	readonly #walks = new Map<string, Walk>();

	constructor(ask: Ask, nowMs: () => number) {
		this.#ask = ask;
		this.#nowMs = nowMs;
	}

	/** Rejects when the program cannot be reached, or is none. */
	async look(): Promise<TopSnapshot> {
		const atMs = this.#nowMs();
		const [info = '', stat = '', tables = '', peers = '', sums = ''] = splitAnswers(await this.#ask(LOOK.join(';')));
		const troubles: string[] = [];
		const read = <T>(text: string, parse: (text: string) => T | undefined, none: T): T => {
			const value = parse(text);
			if (value === undefined && text !== '') troubles.push((text.split('\n')[0] ?? '').slice(0, 200));
			return value ?? none;
		};
		const shownTables = read(tables, parseTables, []);
		return {
			atMs,
			info: parseInfo(info),
			rows: read(stat, parseStat, []),
			tables: shownTables,
			keys: await this.#keysOf(shownTables, troubles),
			peers: read(peers, parsePeers, []),
			sums: read(sums, parseSums, []),
			troubles,
		};
	}

	async #keysOf(tables: readonly TopTable[], troubles: string[]): Promise<Map<string, TableKeys>> {
		const found = new Map<string, TableKeys>();
		for (const name of this.#walks.keys()) if (!tables.some((table) => table.name === name)) this.#walks.delete(name);
		for (const table of tables) {
			const leading = leadingData(table);
			if (leading === undefined) continue;
			const walk = this.#walkOf(table.name);
			if (this.#nowMs() >= walk.notBeforeMs) await this.#walk(table, leading, walk, troubles);
			if (walk.keys !== undefined) found.set(table.name, walk.keys);
		}
		return found;
	}

	#walkOf(name: string): Walk {
		let walk = this.#walks.get(name);
		if (walk === undefined) {
			walk = { keys: undefined, notBeforeMs: 0 };
			this.#walks.set(name, walk);
		}
		return walk;
	}

	async #walk({ name, used }: TopTable, leading: TopData, walk: Walk, troubles: string[]): Promise<void> {
		const beganMs = this.#nowMs();
		if (used === 0) {
			walk.keys = { atMs: beganMs, leading, keys: [] };
			return;
		}
		const answer = await this.#ask(`show table ${escaped(name)} top ${KEYS_PER_TABLE} by ${leading.name} json`);
		const endedMs = this.#nowMs();
		walk.notBeforeMs = endedMs + (endedMs - beganMs) / WALK_SHARE - (endedMs - beganMs);
		walk.keys = parseKeys(answer, leading, beganMs);
		if (walk.keys === undefined) troubles.push(`${name}: ${(answer.split('\n')[0] ?? '').slice(0, 200)}`);
	}
}

/** A name as one word of a command. */
const escaped = (name: string): string => name.replace(/[\\; \t]/g, '\\$&');
