/**
 * How fast connections, sessions and TLS connections may come to the whole process (manual, 3.2 `maxconnrate`,
 * `maxsessrate`, `maxsslrate`; `set rate-limit` of the runtime API), each a rate over all threads in shared memory.
 * Who comes too fast waits unread, as a client that finds `maxconn` reached does.
 *
 * TLS connections are always counted, for `show info`: beside a handshake it costs nothing. The others are
 * counted here only while something limits them; frontends count them anyhow.
 */
import { Column, type Counters } from '../shared/counters.js';

export interface RateLimits {
	/** Per second; 0: none. */
	readonly connections: number;
	readonly sessions: number;
	readonly tls: number;
}

export const NO_RATE_LIMITS: RateLimits = { connections: 0, sessions: 0, tls: 0 };

export class ProcessRates {
	limits: RateLimits;
	readonly #counters: Counters;

	/** `counters`: those of the process, which has no requests of its own: their rate is that of TLS connections. */
	constructor(counters: Counters, limits: RateLimits) {
		this.#counters = counters;
		this.limits = limits;
	}

	/** Whether another connection has to wait. */
	isOver(nowMs: number, isTls: boolean): boolean {
		const { connections, sessions, tls } = this.limits;
		if (connections > 0 && this.#counters.rate('connection', nowMs) >= connections) return true;
		if (sessions > 0 && this.#counters.rate('session', nowMs) >= sessions) return true;
		return isTls && tls > 0 && this.#counters.rate('request', nowMs) >= tls;
	}

	connected(nowMs: number, isTls: boolean): void {
		if (this.limits.connections > 0) this.#counters.countRate('connection', nowMs);
		if (!isTls) return;
		const { slice } = this.#counters;
		slice[Column.conn_tot] = (slice[Column.conn_tot] as number) + 1;
		this.#counters.enter();
		this.#counters.countRate('request', nowMs);
	}

	sessionBegan(nowMs: number): void {
		if (this.limits.sessions > 0) this.#counters.countRate('session', nowMs);
	}

	disconnected(isTls: boolean): void {
		if (isTls) this.#counters.leave();
	}
}

/** What `ProcessRates` has counted of TLS, for whoever shows it. */
export function tlsTotals(process: Counters, nowMs: number) {
	return {
		current: process.current,
		total: process.sinceStart('conn_tot'),
		rate: process.rate('request', nowMs),
		rateMax: process.rateMax('request'),
	};
}
