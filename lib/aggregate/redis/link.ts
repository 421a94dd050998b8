/**
 * The connection of one peers section to Redis: when it is there, what is wrong when it is not, and what time Redis has.
 *
 * ioredis is loaded when the first section with `redis` is started, not before. It keeps the connection by itself; what is
 * sent while there is none fails at once and is made good later, since everything that is written is a state and not an
 * event (writer.ts). Trouble is said once when it begins and once when it ends, however long it lasts and however many
 * commands fail by it. A Redis that takes longer than a second to answer is trouble too; one that says nothing for ten
 * is called anew, since a connection whose other end has vanished looks the same.
 *
 * Dates in Redis are by its own clock. Each heartbeat brings one reading of it; the reading that came back fastest is
 * off by half its way at most and is kept for a while. A jump, as after a fail-over to another machine, begins anew.
 */
import { createRequire } from 'node:module';
import type ioredis from 'ioredis';
import type { RedisModel } from '../../config/model.js';
import { redisUrlText } from '../../config/redis-url.js';
import type { Clock, Timer } from '../../core/clock.js';
import type { PeersLog } from '../../peers/connection.js';
import type { RedisClient } from './client.js';
import { defineScripts } from './scripts.js';

export type OpenClient = (model: RedisModel) => Promise<RedisClient>;

const SLOW_MS = 1000;
const SILENT_MS = 10_000;
/**
 * Waiting is measured in parts, between which what has come is read: when this process itself has stood still for a while,
 * the answer is there, and the time that it stood still is no time that Redis took.
 */
const WAITING_PARTS = 4;
/** Of each address of a connection, and of each word with a sentinel. */
const CONNECT_MS = 5000;
/** A client that has ended by itself begins anew after this. */
const ENDED_MS = 1000;
/** The end of a connection is waited for so long after it was said. */
const DISCONNECT_MS = 500;
/** A replica that says it is read-only may be behind a name that stands for the master by now. */
const READ_ONLY_RECONNECT_MS = 5000;
const CLOCK_READINGS = 16;
/** Readings that differ by more than their ways and this are of different clocks. */
const CLOCK_TOLERANCE_MS = 20;

interface ClockReading {
	readonly offsetMs: number;
	readonly wayMs: number;
}

export interface LinkOptions {
	readonly model: RedisModel;
	readonly sectionName: string;
	readonly clock: Clock;
	readonly log: PeersLog;
	readonly open?: OpenClient | undefined;
	/** How long the ways and waits of ioredis are; the tests have others. */
	readonly slowMs?: number | undefined;
	readonly silentMs?: number | undefined;
}

export interface Round {
	readonly lost: Promise<never>;
	end(): void;
}

export class RedisLink {
	readonly model: RedisModel;
	readonly text: string;
	readonly #options: LinkOptions;
	#client: RedisClient | undefined;
	/** When the client has shown last that it does something about not being ready, monotonic. */
	#lastSignMs = 0;
	#isClosed = false;
	#trouble: string | undefined;
	#troubleSinceMs = 0;
	#lastReconnectMs = Number.NEGATIVE_INFINITY;
	#lastError: string | undefined;
	#readings: ClockReading[] = [];
	#best: ClockReading | undefined;
	#watch: Timer | undefined;
	/** Grows with each connection: what was on its way over the one before may be lost. */
	epoch = 0;
	/** Rounds of commands that failed, or were answered with nonsense. */
	failures = 0;
	/** When the last trouble ended, monotonic; undefined: it has never been well. */
	wellSinceMs: number | undefined;
	/** How long the trouble that ended last has lasted. */
	lastTroubleMs = 0;

	constructor(options: LinkOptions) {
		this.#options = options;
		this.model = options.model;
		this.text = redisUrlText(options.model.servers);
	}

	/** Loads the client and begins to connect. */
	async open(): Promise<void> {
		let client: RedisClient;
		try {
			client = await (this.#options.open ?? openIoredis)(this.model);
		} catch (error) {
			this.failed(error);
			return;
		}
		if (this.#isClosed) {
			client.disconnect();
			return;
		}
		this.#client = client;
		defineScripts(client);
		this.#listen(client);
		this.#lastSignMs = this.#options.clock.monotonicMs();
		if (client.status === 'ready') this.epoch++;
		else if (client.status === 'wait') {
			await client.connect().catch((error: unknown) => {
				if (this.#client === client) this.failed(error);
			});
		}
	}

	/** A client that was given up still has its say, to which nobody listens. */
	#listen(client: RedisClient): void {
		const on = (event: string, heard: (...args: unknown[]) => void): void => {
			client.on(event, (...args) => {
				if (this.#client !== client || this.#isClosed) return;
				this.#lastSignMs = this.#options.clock.monotonicMs();
				heard(...args);
			});
		};
		on('error', (error) => {
			this.#lastError = textOf(error);
			if (client.status !== 'ready') this.#setTrouble(this.#lastError);
		});
		on('connect', () => {});
		on('ready', () => {
			this.epoch++;
		});
		on('close', () => this.#setTrouble(this.#lastError ?? 'the connection is closed'));
	}

	/** To be called now and then while there is no `client`: one that makes no headway is given up for a new one. */
	watch(): void {
		const client = this.#client;
		if (client === undefined || client.status === 'ready') return;
		const { clock, silentMs = SILENT_MS } = this.#options;
		const { kind, nodes } = this.model.servers;
		// Sentinels are asked one after the other, and say nothing in between.
		const patienceMs = silentMs + (kind === 'sentinel' ? 2 * CONNECT_MS * nodes.length : 0);
		const waitedMs = clock.monotonicMs() - this.#lastSignMs;
		if (waitedMs < (client.status === 'end' ? ENDED_MS : patienceMs)) return;
		this.#setTrouble('no answer to the first words of a connection');
		this.#beginAnew();
	}

	#beginAnew(): void {
		const client = this.#client;
		this.#client = undefined;
		client?.disconnect();
		if (!this.#isClosed) void this.open();
	}

	close(): void {
		this.#isClosed = true;
		this.#watch?.cancel();
		this.#client?.disconnect();
	}

	/** The client, when it can be sent something. */
	get client(): RedisClient | undefined {
		return this.#client?.status === 'ready' ? this.#client : undefined;
	}

	get trouble(): string | undefined {
		return this.#trouble;
	}

	// ---- how it goes

	/**
	 * A round of commands begins. `end` is to be called when all have been answered, or failed; `lost` fails when even that
	 * does not happen, so that nobody waits for a client that has forgotten what it was asked.
	 */
	begin(): Round {
		const { clock, slowMs = SLOW_MS, silentMs = SILENT_MS } = this.#options;
		let giveUp: (reason: Error) => void = () => {};
		const lost = new Promise<never>((_, reject) => {
			giveUp = reject;
		});
		const partMs = slowMs / WAITING_PARTS;
		let waitedMs = 0;
		const isWaiting = (): void => {
			waitedMs += partMs;
			if (waitedMs === slowMs) this.#setTrouble(`no answer for ${slowMs} ms`);
			if (waitedMs < silentMs) {
				this.#watch = clock.setTimer(isWaiting, partMs);
				return;
			}
			this.#setTrouble('no answer, the connection is given up');
			this.#beginAnew();
			this.#watch = clock.setTimer(() => giveUp(new Error('Connection is closed.')), DISCONNECT_MS * 2);
		};
		this.#watch?.cancel();
		this.#watch = clock.setTimer(isWaiting, partMs);
		return {
			lost,
			end: () => {
				this.#watch?.cancel();
				this.#watch = undefined;
			},
		};
	}

	/** A round of commands was answered well. */
	succeeded(): void {
		this.#lastError = undefined;
		const nowMs = this.#options.clock.monotonicMs();
		if (this.#trouble === undefined) {
			this.wellSinceMs ??= nowMs;
			return;
		}
		this.#trouble = undefined;
		this.lastTroubleMs = this.wellSinceMs === undefined ? 0 : nowMs - this.#troubleSinceMs;
		this.wellSinceMs = nowMs;
		this.#say('info', `is well again after ${Math.round((nowMs - this.#troubleSinceMs) / 100) / 10} s`);
	}

	/** A command failed, or its answer was nonsense. */
	failed(error: unknown): void {
		this.failures++;
		const text = textOf(error);
		// Said by the connection already, with the reason.
		if (this.#trouble !== undefined && isOfConnection(text)) return;
		this.#setTrouble(isOfConnection(text) ? (this.#lastError ?? text) : text);
		if (!text.startsWith('READONLY')) return;
		const nowMs = this.#options.clock.monotonicMs();
		if (nowMs - this.#lastReconnectMs < READ_ONLY_RECONNECT_MS) return;
		this.#lastReconnectMs = nowMs;
		this.#client?.disconnect(true);
	}

	/** One line when trouble begins, and when it becomes another that lasts. */
	#setTrouble(text: string): void {
		const kind = kindOf(text);
		if (this.#trouble !== undefined && kindOf(this.#trouble) === kind) return;
		if (this.#trouble === undefined) this.#troubleSinceMs = this.#options.clock.monotonicMs();
		// An outage has many faces (closed, refused, loading): the first is said, and what an operator must mend.
		else if (!isForOperator(kind)) return;
		this.#trouble = text;
		this.#say('warn', `${text}; counting goes on, and is told when it is back`);
	}

	#say(level: 'info' | 'warn', text: string): void {
		this.#options.log[level](`peers section '${this.#options.sectionName}': redis ${this.text} ${text}`);
	}

	// ---- its clock

	/** A reading of Redis's clock that was asked for at `sentMs` and has just come. */
	clockRead(redisMs: number, sentMs: number): void {
		const nowMs = this.#options.clock.monotonicMs();
		const wayMs = nowMs - sentMs;
		const reading: ClockReading = { offsetMs: redisMs - (sentMs + wayMs / 2), wayMs };
		const best = this.#best;
		if (
			best !== undefined &&
			Math.abs(best.offsetMs - reading.offsetMs) > (best.wayMs + wayMs) / 2 + CLOCK_TOLERANCE_MS
		) {
			this.#readings = [];
		}
		this.#readings.push(reading);
		if (this.#readings.length > CLOCK_READINGS) this.#readings.shift();
		this.#best = this.#readings.reduce((a, b) => (b.wayMs <= a.wayMs ? b : a));
	}

	/** Redis's time; undefined until it has been read. */
	redisMs(nowMs: number): number | undefined {
		return this.#best === undefined ? undefined : Math.round(nowMs + this.#best.offsetMs);
	}
}

function textOf(error: unknown): string {
	const text = error instanceof Error ? error.message || error.name : String(error);
	return text.replace(/[^ -~]/g, '.').slice(0, 200);
}

/** What ioredis says of commands when the connection is away or goes. */
function isOfConnection(text: string): boolean {
	return /^(Stream isn't writeable|Connection is closed|Command aborted|Cluster isn't ready|Reached the max retries|Failed to refresh slots)/.test(
		text,
	);
}

/** The first word of an error of Redis (`READONLY`, `NOAUTH`), or the text. */
function kindOf(text: string): string {
	return /^(?:-?)([A-Z]{3,})\b/.exec(text)?.[1] ?? text;
}

const OPERATOR_KINDS = ['READONLY', 'NOAUTH', 'WRONGPASS', 'NOPERM', 'OOM', 'MISCONF', 'WRONGTYPE', 'NOREPLICAS'];

/** It does not go by itself: what Redis refuses, and certificates that are not accepted. */
function isForOperator(kind: string): boolean {
	return OPERATOR_KINDS.includes(kind) || /certificate|altnames|unknown ca\b/i.test(kind);
}

/** ioredis for single servers, Sentinel and Cluster, set to fail at once rather than to keep commands for later. */
export const openIoredis: OpenClient = async ({ servers, ca, certificate, verify }) => {
	// Not `import()`: in the built program, which comes from a code cache, Node finds no loader for it.
	const { Redis, Cluster } = createRequire(import.meta.url)('ioredis') as typeof ioredis;
	const { kind, nodes, tls, user, password, database, path, master } = servers;
	const secure = {
		...(ca === undefined ? {} : { ca }),
		...(certificate === undefined ? {} : { cert: certificate, key: certificate }),
		...(verify === 'none' ? { rejectUnauthorized: false } : {}),
	};
	const tlsOptions = tls ? { tls: secure } : {};
	const again = (times: number): number => Math.min(2000, 50 * 2 ** Math.min(times, 6)) * (0.75 + Math.random() / 2);
	const common = {
		lazyConnect: true,
		enableOfflineQueue: false,
		autoResendUnfulfilledCommands: false,
		// What is on its way when the connection goes fails with it; otherwise it would be waited for without end.
		maxRetriesPerRequest: 0,
		connectTimeout: CONNECT_MS,
		disconnectTimeout: DISCONNECT_MS,
		connectionName: 'holdfast',
		...(user === undefined ? {} : { username: user }),
		...(password === undefined ? {} : { password }),
		...tlsOptions,
	};
	let client: unknown;
	switch (kind) {
		case 'single':
		case 'unix': {
			const where = kind === 'unix' ? { path: path! } : { host: nodes[0]!.host, port: nodes[0]!.port };
			client = new Redis({ ...common, ...where, db: database, retryStrategy: again });
			break;
		}
		case 'sentinel':
			client = new Redis({
				...common,
				sentinels: nodes.map((node) => ({ ...node })),
				name: master!,
				db: database,
				retryStrategy: again,
				sentinelRetryStrategy: again,
				sentinelCommandTimeout: CONNECT_MS,
				enableTLSForSentinelMode: tls,
				...(tls ? { sentinelTLS: secure } : {}),
			});
			break;
		case 'cluster': {
			const { lazyConnect, enableOfflineQueue, ...redisOptions } = common;
			client = new Cluster(
				nodes.map((node) => ({ ...node })),
				{
					lazyConnect,
					enableOfflineQueue,
					redisOptions,
					clusterRetryStrategy: again,
					slotsRefreshTimeout: 5000,
					slotsRefreshInterval: 30_000,
				},
			);
			break;
		}
	}
	return client as RedisClient;
};
