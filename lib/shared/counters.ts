/**
 * The figures of frontends, backends, servers and listeners: what `show stat`, the statistics page and
 * Prometheus show (manual of the runtime API, 9.1). One table names them; whoever counts, sums or prints
 * reads that table.
 *
 * Counters that only grow are kept once per thread, in doubles: each has one writer, so counting is an
 * addition without atomics, exact up to 2^53, and a reader adds the threads up. A reader may see one
 * thread's addition a moment before another's; nothing is lost or counted twice. What must be exact over all
 * threads at every moment, because a maximum is taken of it, is shared and atomic: current sessions and the
 * three rates per second.
 *
 * `clear counters` must not write where a data thread counts: it notes the totals as a base that readers
 * subtract. Servers' current sessions and queues that decide who gets the next request are not here but in
 * server-state.ts.
 *
 *     const memory = new CounterMemory({ objectCount, threadCount }, buffer, thread);
 *     const counters = memory.object(3);            // once per proxy, server or listener
 *     counters.slice[Column.stot]!++;               // hot path
 *     counters.total('stot');                       // any thread
 */
import { tick } from '../core/clock.js';
import { Arena } from './arena.js';
import { countRate, highestRate, readSharedRate, resetHighest, SHARED_RATE_WORDS } from './freq-rate.js';

/**
 * How a column of several threads becomes one figure: `total` is added up, `gauge` too, goes down again and is never
 * cleared, `max` is the highest of any thread,
 * `average` is over the last 1024 samples, weighted by how many of them each thread has.
 */
export type CounterKind = 'total' | 'gauge' | 'max' | 'average';

/**
 * name as in `show stat`; sides as in the manual: listener, frontend, backend, server.
 */
const ROWS = [
	['stot', 'total', 'LFBS', 'sessions'],
	['bin', 'total', 'LFBS', 'bytes from clients'],
	['bout', 'total', 'LFBS', 'bytes to clients'],
	['dreq', 'total', 'LFB', 'requests denied by rules'],
	['dresp', 'total', 'LFBS', 'responses denied by rules'],
	['ereq', 'total', 'LF', 'bad, late or truncated requests'],
	['econ', 'total', 'BS', 'requests that could not reach a server'],
	['eresp', 'total', 'BS', 'response errors, srv_abrt included'],
	['wretr', 'total', 'BS', 'connection retries'],
	['wredis', 'total', 'BS', 'redispatches to another server'],
	['chkfail', 'total', 'S', 'failed checks while up'],
	['chkdown', 'total', 'BS', 'transitions from up to down'],
	['downtime', 'total', 'BS', 'seconds down, without the present one'],
	['hanafail', 'total', 'S', 'failed checks by observed traffic'],
	['lbtot', 'total', 'BS', 'times chosen by load balancing'],
	['hrsp_1xx', 'total', 'FBS', 'responses 100 to 199'],
	['hrsp_2xx', 'total', 'FBS', 'responses 200 to 299'],
	['hrsp_3xx', 'total', 'FBS', 'responses 300 to 399'],
	['hrsp_4xx', 'total', 'FBS', 'responses 400 to 499'],
	['hrsp_5xx', 'total', 'FBS', 'responses 500 to 599'],
	['hrsp_other', 'total', 'FBS', 'other responses'],
	['req_tot', 'total', 'FBS', 'HTTP requests'],
	['cli_abrt', 'total', 'BS', 'transfers aborted by the client'],
	['srv_abrt', 'total', 'BS', 'transfers aborted by the server'],
	['comp_in', 'total', 'FB', 'response bytes given to the compressor'],
	['comp_out', 'total', 'FB', 'response bytes from the compressor'],
	['comp_byp', 'total', 'FB', 'response bytes that bypassed the compressor'],
	['comp_rsp', 'total', 'FB', 'responses compressed'],
	['conn_tot', 'total', 'F', 'connections'],
	['intercepted', 'total', 'FB', 'requests answered by the proxy itself: monitor, statistics'],
	['dcon', 'total', 'LF', 'connections denied by tcp-request connection'],
	['dses', 'total', 'LF', 'connections denied by tcp-request session'],
	['wrew', 'total', 'LFBS', 'failed header rewrites'],
	['connect', 'total', 'BS', 'connections to servers attempted'],
	['reuse', 'total', 'BS', 'server connections used again'],
	['cache_lookups', 'total', 'FB', 'cache lookups'],
	['cache_hits', 'total', 'FB', 'cache hits'],
	['eint', 'total', 'LFBS', 'internal errors'],
	['ssl_sess', 'total', 'LFBS', 'TLS handshakes'],
	['ssl_reused_sess', 'total', 'LFBS', 'TLS handshakes that resumed a session'],
	['ssl_failed_handshake', 'total', 'LFBS', 'TLS handshakes that failed'],
	// In the order of http/h2/tally.ts.
	['h2_headers_rcvd', 'total', 'FB', 'HEADERS frames received'],
	['h2_data_rcvd', 'total', 'FB', 'DATA frames received'],
	['h2_settings_rcvd', 'total', 'FB', 'SETTINGS frames received'],
	['h2_rst_stream_rcvd', 'total', 'FB', 'RST_STREAM frames received'],
	['h2_goaway_rcvd', 'total', 'FB', 'GOAWAY frames received'],
	['h2_detected_conn_protocol_errors', 'total', 'FB', 'connection errors of peers'],
	['h2_detected_strm_protocol_errors', 'total', 'FB', 'stream errors of peers'],
	['h2_rst_stream_resp', 'total', 'FB', 'RST_STREAM frames sent for an error of the peer'],
	['h2_goaway_resp', 'total', 'FB', 'GOAWAY frames sent for an error of the peer'],
	['h2_open_connections', 'gauge', 'FB', 'connections open'],
	['h2_backend_open_streams', 'gauge', 'FB', 'streams open'],
	['h2_total_connections', 'total', 'FB', 'connections'],
	['h2_backend_total_streams', 'total', 'FB', 'streams'],
	['lastsess_ms', 'max', 'BS', 'monotonic time of the latest session, ms'],
	['qtime', 'average', 'BS', 'time in queue, ms'],
	['ctime', 'average', 'BS', 'time to connect, ms'],
	['rtime', 'average', 'BS', 'time to respond, ms'],
	['ttime', 'average', 'BS', 'total time of a session, ms'],
	['qtime_max', 'max', 'BS', 'longest time in queue, ms'],
	['ctime_max', 'max', 'BS', 'longest time to connect, ms'],
	['rtime_max', 'max', 'BS', 'longest time to respond, ms'],
	['ttime_max', 'max', 'BS', 'longest session, ms'],
] as const satisfies readonly (readonly [string, CounterKind, string, string])[];

export type CounterName = (typeof ROWS)[number][0];

export interface CounterDescriptor {
	readonly name: CounterName;
	readonly kind: CounterKind;
	/** Letters of L, F, B, S: where `show stat` prints it. */
	readonly sides: string;
	readonly help: string;
}

export const COUNTERS: readonly CounterDescriptor[] = ROWS.map(([name, kind, sides, help]) => ({
	name,
	kind,
	sides,
	help,
}));

/** Index of each counter in a slice. */
export const Column = Object.fromEntries(ROWS.map(([name], index) => [name, index])) as {
	readonly [K in CounterName]: number;
};

/** The column of a response's status. */
export function statusColumn(status: number): number {
	const hundreds = Math.floor(status / 100);
	return hundreds >= 1 && hundreds <= 5 ? Column.hrsp_1xx + hundreds - 1 : Column.hrsp_other;
}

/** The rates of the table: sessions, connections and HTTP requests per second. */
const RATES = { session: 0, connection: 1, request: 2 } as const;
export type RateName = keyof typeof RATES;

/** Averages stand together in the table. */
const FIRST_AVERAGE = ROWS.findIndex(([, kind]) => kind === 'average');
const AVERAGE_COUNT = ROWS.filter(([, kind]) => kind === 'average').length;
/** Columns, then the number of samples behind each average, padded to whole cache lines. */
const SAMPLES_AT = ROWS.length - FIRST_AVERAGE;
const SLICE_LENGTH = Math.ceil((ROWS.length + AVERAGE_COUNT) / 8) * 8;
/** Samples an average looks back on. */
const AVERAGE_SAMPLES = 1024;

const CURRENT = 0;
const CURRENT_MAX = 1;
const RATES_AT = 4;
const SHARED_LENGTH = 16;

/** Comparisons of constant strings, which cost less than a look-up by a name that varies. */
function rateAt(name: RateName): number {
	const index = name === 'request' ? RATES.request : name === 'session' ? RATES.session : RATES.connection;
	return RATES_AT + index * SHARED_RATE_WORDS;
}

export interface CounterShape {
	/** Proxies, servers and listeners; whoever allocates numbers them, with room for servers added later. */
	readonly objectCount: number;
	/** Writers: the data threads and the control thread. */
	readonly threadCount: number;
}

const arenaOf = ({ objectCount, threadCount }: CounterShape) =>
	new Arena({
		slices: ['float64', objectCount * threadCount * SLICE_LENGTH],
		bases: ['float64', objectCount * SLICE_LENGTH],
		shared: ['int32', objectCount * SHARED_LENGTH],
	});

export class CounterMemory {
	readonly #shape: CounterShape;
	readonly #thread: number;
	readonly #slices: Float64Array;
	readonly #bases: Float64Array;
	readonly #shared: Int32Array;

	static allocate(shape: CounterShape): SharedArrayBuffer {
		return arenaOf(shape).allocate();
	}

	/** `thread` is the writer's own number, from 0. */
	constructor(shape: CounterShape, buffer: SharedArrayBuffer, thread: number) {
		if (thread >= shape.threadCount) throw new RangeError(`thread ${thread} of ${shape.threadCount}`);
		this.#shape = shape;
		this.#thread = thread;
		const views = arenaOf(shape).attach(buffer);
		this.#slices = views.slices;
		this.#bases = views.bases;
		this.#shared = views.shared;
	}

	/** The figures of one proxy, server or listener. Make it once and keep it. */
	object(index: number): Counters {
		const { objectCount, threadCount } = this.#shape;
		if (index >= objectCount) throw new RangeError(`counters of object ${index} of ${objectCount}`);
		const slices: Float64Array[] = [];
		for (let thread = 0; thread < threadCount; thread++) {
			const at = (thread * objectCount + index) * SLICE_LENGTH;
			slices.push(this.#slices.subarray(at, at + SLICE_LENGTH));
		}
		const bases = this.#bases.subarray(index * SLICE_LENGTH, (index + 1) * SLICE_LENGTH);
		const shared = this.#shared.subarray(index * SHARED_LENGTH, (index + 1) * SHARED_LENGTH);
		return new Counters(slices, this.#thread, bases, shared);
	}
}

export class Counters {
	/** This thread's own: `slice[Column.stot]++`. Never write to one of kind `average` this way. */
	readonly slice: Float64Array;
	readonly #slices: readonly Float64Array[];
	readonly #bases: Float64Array;
	readonly #shared: Int32Array;

	constructor(slices: readonly Float64Array[], thread: number, bases: Float64Array, shared: Int32Array) {
		this.slice = slices[thread]!;
		this.#slices = slices;
		this.#bases = bases;
		this.#shared = shared;
	}

	/** One more current session; returns how many there are over all threads. */
	enter(): number {
		const shared = this.#shared;
		const current = Atomics.add(shared, CURRENT, 1) + 1;
		for (let seen = shared[CURRENT_MAX] as number; current > seen; ) {
			const found = Atomics.compareExchange(shared, CURRENT_MAX, seen, current);
			if (found === seen) break;
			seen = found;
		}
		return current;
	}

	leave(): void {
		Atomics.sub(this.#shared, CURRENT, 1);
	}

	/** `scur` over all threads. */
	get current(): number {
		return Atomics.load(this.#shared, CURRENT);
	}

	/** `smax`: the highest `scur` there was. */
	get currentMax(): number {
		return Atomics.load(this.#shared, CURRENT_MAX);
	}

	/** Counts one event of a rate at `nowMs`; returns the rate over all threads. */
	countRate(name: RateName, nowMs: number): number {
		return countRate(this.#shared, rateAt(name), 1, tick(nowMs));
	}

	/** Events per second over the last second. */
	rate(name: RateName, nowMs: number): number {
		return readSharedRate(this.#shared, rateAt(name), tick(nowMs));
	}

	rateMax(name: RateName): number {
		return highestRate(this.#shared, rateAt(name));
	}

	/** For columns of kind `max`. */
	raise(column: number, value: number): void {
		if (value > this.slice[column]!) this.slice[column] = value;
	}

	/** For columns of kind `average`: one more sample, which replaces 1/1024 of what there was. */
	sample(column: number, value: number): void {
		const slice = this.slice;
		const samples = Math.min(AVERAGE_SAMPLES, slice[SAMPLES_AT + column]! + 1);
		slice[SAMPLES_AT + column] = samples;
		slice[column] = slice[column]! + (value - slice[column]!) / samples;
	}

	/** The figure of a column over all threads, by its kind. */
	total(name: CounterName): number {
		const column = Column[name];
		switch (COUNTERS[column]!.kind) {
			case 'total':
				return this.#sum(column) - this.#bases[column]!;
			case 'gauge':
				return this.#sum(column);
			case 'max':
				return this.#slices.reduce((highest, slice) => Math.max(highest, slice[column]!), 0);
			case 'average':
				return this.#average(column);
		}
	}

	/** A `total` column as it would be had nobody cleared it: what the process has done in all. */
	sinceStart(name: CounterName): number {
		return this.#sum(Column[name]);
	}

	#sum(column: number): number {
		let sum = 0;
		for (const slice of this.#slices) sum += slice[column]!;
		return sum;
	}

	#average(column: number): number {
		let weighted = 0;
		let samples = 0;
		for (const slice of this.#slices) {
			weighted += slice[column]! * slice[SAMPLES_AT + column]!;
			samples += slice[SAMPLES_AT + column]!;
		}
		return samples === 0 ? 0 : weighted / samples;
	}

	/** `clear counters`: the maxima start again from now. */
	clearMaxima(): void {
		Atomics.store(this.#shared, CURRENT_MAX, this.current);
		for (const rate of Object.values(RATES)) resetHighest(this.#shared, RATES_AT + rate * SHARED_RATE_WORDS);
		// A thread that raises one just now may win or lose: both are a maximum of this moment.
		for (const { name, kind } of COUNTERS) {
			if (kind === 'max' && name.endsWith('_max')) for (const slice of this.#slices) slice[Column[name]] = 0;
		}
	}

	/** `clear counters all`: totals read 0 now. Called by the control thread only. */
	clearAll(): void {
		this.clearMaxima();
		for (const { name, kind } of COUNTERS) {
			if (kind === 'total') this.#bases[Column[name]] = this.#sum(Column[name]);
		}
	}
}
