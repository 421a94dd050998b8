/**
 * The page's live updates, as server-sent events: every two seconds the rows that look otherwise than before, and what
 * the control thread has told. The rows are compared in slices and sent only when they differ, so that a page with ten
 * thousand servers costs its viewer and this thread what changes, not what there is.
 *
 * A viewer that reads slowly gets fewer updates, never a backlog: no new one is begun before the last one is taken. The
 * stream ends when the thread leaves (a reload); the browser then comes back by itself, to the new threads.
 */
import type { Timer } from '../core/clock.js';
import type { ReplySource } from '../rules/stream-control.js';
import { jsonText } from '../runtime-api/json.js';
import { rowCells, rowClass, rowId, shortTime } from './cells.js';
import type { StatsPage } from './page.js';
import type { PageOptions } from './page-options.js';
import type { ControlReport } from './report.js';

const INTERVAL_MS = 2000;
/** Rows that are compared before others have their turn. */
const SLICE_ROWS = 200;
/** Rows of one event. */
const EVENT_ROWS = 500;
/** Viewers of one thread; each may hold an update in memory. */
const VIEWERS_MAX = 32;
const NOTHING = Buffer.alloc(0);

/** Who is looking, over all pages of a thread. */
export class LiveViewers {
	#count = 0;

	/** Undefined: there are too many already. */
	add(make: (viewers: LiveViewers) => LiveSource): LiveSource | undefined {
		if (this.#count >= VIEWERS_MAX) return undefined;
		this.#count++;
		return make(this);
	}

	remove(): void {
		this.#count--;
	}
}

export class LiveSource implements ReplySource {
	onMore: (() => void) | undefined;
	readonly #page: StatsPage;
	readonly #options: PageOptions;
	readonly #viewers: LiveViewers;
	/** By row: its cells as they were sent. */
	readonly #sent = new Map<string, string>();
	#update: Generator<string> | undefined;
	#reportAtMs = 0;
	#timer: Timer | undefined;
	#closed = false;

	constructor(page: StatsPage, options: PageOptions, viewers: LiveViewers) {
		this.#page = page;
		this.#options = options;
		this.#viewers = viewers;
		this.#update = this.#events(true);
	}

	pull(): Buffer | undefined {
		const update = this.#update;
		if (update === undefined) return this.#page.source.options.isStopping() ? undefined : NOTHING;
		const next = update.next();
		if (next.done !== true) {
			if (next.value === '') this.onMore?.();
			return Buffer.from(next.value, 'latin1');
		}
		this.#update = undefined;
		this.#timer = this.#page.source.clock.setTimer(() => this.#tick(), INTERVAL_MS);
		return NOTHING;
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#timer?.cancel();
		this.#update?.return(undefined);
		this.#update = undefined;
		this.#viewers.remove();
	}

	#tick(): void {
		if (this.#closed) return;
		if (!this.#page.source.options.isStopping()) this.#update = this.#events(false);
		this.onMore?.();
	}

	*#events(isFirst: boolean): Generator<string> {
		// Come back soon after a reload.
		if (isFirst) yield 'retry: 1000\n\n';
		yield `event: process\ndata: ${jsonText(this.#processUpdate())}\n\n`;
		const report = this.#page.source.report();
		if (report !== undefined && report.atMs !== this.#reportAtMs) {
			this.#reportAtMs = report.atMs;
			yield `event: report\ndata: ${jsonText(this.#scoped(report))}\n\n`;
		}
		let changed: [id: string, kind: string, ...cells: string[]][] = [];
		let seen = 0;
		for (const row of this.#page.rows(this.#options)) {
			const id = rowId(row);
			const cells = rowCells(row);
			const kind = rowClass(row);
			const text = `${kind}|${cells.join('|')}`;
			if (this.#sent.get(id) !== text) {
				this.#sent.set(id, text);
				changed.push([id, kind, ...cells.map(shown)]);
			}
			if (changed.length >= EVENT_ROWS) {
				yield rowsEvent(changed);
				changed = [];
			}
			if (++seen % SLICE_ROWS === 0) yield '';
		}
		yield rowsEvent(changed);
	}

	#processUpdate(): Record<string, unknown> {
		const { source } = this.#page;
		const uptime = Math.floor((source.clock.monotonicMs() - source.startedMonotonicMs) / 1000);
		return {
			atMs: source.clock.wallMs(),
			uptime: shortTime(uptime),
			conns: source.options.activeConnections(),
			threads: source.vitals(),
		};
	}

	/** With `stats scope`, what belongs to others is not told. */
	#scoped(report: ControlReport): ControlReport {
		const { model } = this.#page;
		const isWhole = model.scope.length === 0;
		const tables = report.tables.filter(({ name }) => isWhole || this.#page.isInScope(name));
		return {
			...report,
			tables: tables.map((table) => ({ ...table, name: shown(table.name) })),
			peers: isWhole ? report.peers : [],
			origins: isWhole ? report.origins : [],
			redis: isWhole ? report.redis : [],
			reloads: isWhole ? report.reloads : [],
			history: isWhole ? report.history : [],
			frontends: [],
		};
	}
}

function rowsEvent(rows: readonly unknown[]): string {
	return rows.length === 0 ? '' : `event: rows\ndata: ${jsonText(rows)}\n\n`;
}

/** Byte strings as the text they most likely are. */
function shown(text: string): string {
	for (let i = 0; i < text.length; i++) {
		if (text.charCodeAt(i) > 0x7f && text.charCodeAt(i) !== 0xa0) return Buffer.from(text, 'latin1').toString('utf8');
	}
	return text;
}
