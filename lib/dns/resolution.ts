/**
 * One name that is asked for again and again (manual, 5.3): rounds of questions to all name servers at once, what is
 * known from their answers, and how long it holds.
 *
 *     a round       one question to every name server; the first valid answer ends it
 *     all in error  an address is asked for in the other family, then again in the preferred one: that was a retry;
 *                   but a name that does not exist in both is not asked for again
 *     silence       after `timeout retry` the same question goes out again: that was a retry too
 *     over          a valid answer, or `resolve_retries` are used up; the next resolution begins `timeout resolve`
 *                   later
 *
 * What was known before a failure holds for as long as `hold` says of that failure, counted from the last valid answer;
 * then those who use the name are told that it is lost. An address that is no longer in the answers is kept for
 * `hold obsolete`: name servers often give a part of a long list.
 */
import type { NameserverModel, ResolutionFailure, ResolversModel } from '../config/resolvers-model.js';
import type { IpAddress } from '../core/address.js';
import type { Clock, Timer } from '../core/clock.js';
import {
	type Answer,
	decodeAnswer,
	encodeQuestion,
	type Question,
	type QuestionType,
	type Service,
} from './message.js';
import type { Transport } from './transport.js';

/** What `show resolvers` counts of a name server (management guide, 9.3). */
export interface NameserverCounters {
	sent: number;
	snd_error: number;
	valid: number;
	update: number;
	cname: number;
	cname_error: number;
	any_err: number;
	nx: number;
	timeout: number;
	refused: number;
	other: number;
	invalid: number;
	too_big: number;
	truncated: number;
	outdated: number;
}

export interface NameServer {
	readonly model: NameserverModel;
	readonly counters: NameserverCounters;
}

export interface ResolutionKey {
	readonly name: string;
	readonly kind: 'address' | 'service';
	/** The family that is asked for first. */
	readonly prefer: 4 | 6;
}

export interface ResolutionListener {
	/** `by`: whose answer it was. What is in `resolution` is news, or the same as before. */
	resolved(resolution: Resolution, by: NameServer): void;
	/** No valid answer for so long that what was known no longer holds. */
	lost(resolution: Resolution, failure: ResolutionFailure): void;
	/** One resolution is over; `failure` undefined: with a valid answer. */
	ended?(resolution: Resolution, failure: ResolutionFailure | undefined): void;
}

export interface ResolutionOptions {
	/** What may be asked for (`dns-accept-family`); both when absent. */
	readonly families?: readonly (4 | 6)[] | undefined;
	readonly section: ResolversModel;
	readonly nameServers: readonly NameServer[];
	readonly transport: Transport;
	readonly clock: Clock;
	/** In [0, 65536), hard to guess. */
	readonly randomId: () => number;
}

interface Known<T> {
	readonly value: T;
	lastSeenMs: number;
}

interface Asked {
	readonly nameServer: NameServer;
	close(): void;
	/** It has answered, or cannot. */
	isOver: boolean;
}

const FAILURES: Readonly<Record<string, ResolutionFailure>> = { nx: 'nx', refused: 'refused', timeout: 'timeout' };

export class Resolution {
	readonly key: ResolutionKey;
	readonly #options: ResolutionOptions;
	readonly #listeners = new Set<ResolutionListener>();
	#addresses: Known<IpAddress>[] = [];
	#services: Known<Service>[] = [];
	/** When an answer was valid last; undefined: never. */
	lastValidMs: number | undefined;
	/** Of the present round; those of the last one listen until the next begins, to count who was too late. */
	#asked: Asked[] = [];
	#type: QuestionType = 'A';
	#triesLeft = 0;
	#lastFault = '';
	#timer: Timer | undefined;
	#running = false;
	#stopped = false;
	/** What servers begin with, from the system or from before a reload, holds from here on. */
	readonly #beganMs: number;

	constructor(key: ResolutionKey, options: ResolutionOptions) {
		this.key = key;
		this.#options = options;
		this.#beganMs = options.clock.monotonicMs();
	}

	get addresses(): readonly IpAddress[] {
		return this.#addresses.map(({ value }) => value);
	}

	get services(): readonly Service[] {
		return this.#services.map(({ value }) => value);
	}

	get listenerCount(): number {
		return this.#listeners.size;
	}

	get isRunning(): boolean {
		return this.#running;
	}

	add(listener: ResolutionListener): void {
		this.#listeners.add(listener);
	}

	remove(listener: ResolutionListener): void {
		this.#listeners.delete(listener);
	}

	/** Begins now, if it is not under way: the first one, or when something says that the address has changed. */
	trigger(): void {
		if (this.#running || this.#stopped) return;
		this.#timer?.cancel();
		this.#running = true;
		this.#triesLeft = this.#options.section.resolveRetries;
		this.#type = this.#preferredType;
		this.#ask();
	}

	stop(): void {
		this.#stopped = true;
		this.#running = false;
		this.#timer?.cancel();
		this.#closeAll();
		this.#listeners.clear();
	}

	get #preferredType(): QuestionType {
		const { kind, prefer } = this.key;
		if (kind === 'service') return 'SRV';
		return (this.#accepts(prefer) ? prefer === 4 : prefer === 6) ? 'A' : 'AAAA';
	}

	#accepts(family: 4 | 6): boolean {
		return this.#options.families?.includes(family) ?? true;
	}

	#closeAll(): void {
		for (const asked of this.#asked) asked.close();
		this.#asked = [];
	}

	#ask(): void {
		const { nameServers, section, clock } = this.#options;
		this.#closeAll();
		this.#lastFault = '';
		this.#timer?.cancel();
		this.#timer = clock.setTimer(this.#timedOut, section.retryMs);
		for (const nameServer of nameServers) this.#send(nameServer, nameServer.model.transport);
	}

	#send(nameServer: NameServer, protocol: 'udp' | 'tcp'): void {
		const { section, transport, randomId } = this.#options;
		const question: Question = { id: randomId(), name: this.key.name, type: this.#type };
		const message = encodeQuestion(question, protocol === 'udp' ? section.acceptedPayloadSize : undefined);
		nameServer.counters.sent++;
		const sent = transport.send(nameServer.model, protocol, message, {
			received: (bytes) => this.#received(asked, protocol, bytes, question),
			failed: () => {
				nameServer.counters.snd_error++;
				this.#failed(asked, 'timeout');
			},
		});
		const asked: Asked = { nameServer, close: () => sent.close(), isOver: false };
		this.#asked.push(asked);
	}

	#received(asked: Asked, protocol: 'udp' | 'tcp', bytes: Buffer, question: Question): void {
		const { counters } = asked.nameServer;
		if (asked.isOver) return;
		const limit = this.#options.section.acceptedPayloadSize;
		if (protocol === 'udp' && bytes.length > limit) {
			counters.too_big++;
			this.#failed(asked, 'other');
			return;
		}
		const answer = decodeAnswer(bytes, question);
		if (answer.kind === 'stranger') return;
		if (!this.#running) {
			// Another name server was faster.
			counters.outdated++;
			asked.isOver = true;
			asked.close();
			return;
		}
		if (answer.kind !== 'fault') {
			counters.valid++;
			this.#succeeded(asked, answer);
			return;
		}
		switch (answer.fault) {
			case 'truncated':
				counters.truncated++;
				asked.isOver = true;
				asked.close();
				// What did not fit into a datagram is asked for by TCP (RFC 7766, section 5).
				if (protocol === 'udp') this.#send(asked.nameServer, 'tcp');
				else this.#failed(asked, 'other', true);
				return;
			case 'empty':
				counters.any_err++;
				break;
			case 'cname-error':
				counters.cname_error++;
				break;
			case 'nx':
			case 'refused':
			case 'invalid':
			case 'other':
				counters[answer.fault]++;
				break;
		}
		this.#failed(asked, answer.fault);
	}

	#failed(asked: Asked, fault: string, wasOver = false): void {
		if (asked.isOver && !wasOver) return;
		asked.isOver = true;
		asked.close();
		if (!this.#running) return;
		// Who could not be reached says nothing of the name, when another one does.
		if (fault !== 'timeout' || this.#lastFault === '') this.#lastFault = fault;
		if (this.#asked.some(({ isOver }) => !isOver)) return;
		// All are over. Where none has spoken, the rest of the time is still waited for.
		if (this.#lastFault !== 'timeout') this.#roundFailed();
	}

	readonly #timedOut = (): void => {
		for (const { nameServer, isOver } of this.#asked) if (!isOver) nameServer.counters.timeout++;
		if (this.#lastFault === '') this.#lastFault = 'timeout';
		this.#roundFailed();
	};

	get #acceptsBoth(): boolean {
		return this.#accepts(4) && this.#accepts(6);
	}

	/** What comes next after a round without a valid answer (manual, 5.3.2). */
	#roundFailed(): void {
		const isSilence = this.#lastFault === 'timeout';
		if (!isSilence && this.key.kind === 'address' && this.#type === this.#preferredType && this.#acceptsBoth) {
			this.#type = this.#type === 'A' ? 'AAAA' : 'A';
			this.#ask();
			return;
		}
		if (!isSilence) this.#type = this.#preferredType;
		// That there is no such name, or no address, will not change within the second: as observed, it is believed.
		const isDefinite = this.#lastFault === 'nx' || this.#lastFault === 'empty' || this.#lastFault === 'cname-error';
		if (!isDefinite && --this.#triesLeft > 0) this.#ask();
		else this.#end(FAILURES[this.#lastFault] ?? 'other');
	}

	#succeeded(asked: Asked, answer: Answer): void {
		const nowMs = this.#options.clock.monotonicMs();
		const { obsolete } = this.#options.section.holdMs;
		asked.isOver = true;
		asked.close();
		this.lastValidMs = nowMs;
		if (answer.kind === 'addresses') {
			this.#addresses = merge(this.#addresses, answer.addresses, (address) => address.toString(), nowMs, obsolete);
		} else if (answer.kind === 'services') {
			this.#services = merge(this.#services, answer.services, serviceKey, nowMs, obsolete);
		}
		const listeners = [...this.#listeners];
		this.#end(undefined);
		for (const listener of listeners) listener.resolved(this, asked.nameServer);
	}

	#end(failure: ResolutionFailure | undefined): void {
		const { section, clock } = this.#options;
		this.#running = false;
		this.#timer?.cancel();
		if (failure !== undefined) this.#closeAll();
		const nowMs = clock.monotonicMs();
		if (failure !== undefined && (this.lastValidMs ?? this.#beganMs) + section.holdMs[failure] <= nowMs) {
			this.#addresses = [];
			this.#services = [];
			for (const listener of [...this.#listeners]) listener.lost(this, failure);
		}
		for (const listener of [...this.#listeners]) listener.ended?.(this, failure);
		if (this.#stopped) return;
		this.#timer = clock.setTimer(() => this.trigger(), section.resolveMs);
	}
}

/** SRV records of one target and port are one service, whatever their weight. */
export const serviceKey = ({ target, port }: Pick<Service, 'target' | 'port'>): string =>
	`${target.toLowerCase()}:${port}`;

/** What the answer names, in its order behind what is known already; what it does not name is kept for a while. */
function merge<T>(
	known: readonly Known<T>[],
	answered: readonly T[],
	keyOf: (value: T) => string,
	nowMs: number,
	holdMs: number,
): Known<T>[] {
	const news = new Map(answered.map((value) => [keyOf(value), value]));
	const merged: Known<T>[] = [];
	for (const one of known) {
		const again = news.get(keyOf(one.value));
		if (again !== undefined) merged.push({ value: again, lastSeenMs: nowMs });
		else if (nowMs - one.lastSeenMs < holdMs) merged.push(one);
		news.delete(keyOf(one.value));
	}
	for (const value of news.values()) merged.push({ value, lastSeenMs: nowMs });
	return merged;
}
