/**
 * Traffic logs: lines already rendered go to the targets of `log` lines, each with its own level filter,
 * sampling, header and length (manual, 4.2 `log`). One `TrafficLogTargets` per thread opens every target once,
 * whatever number of proxies name it.
 *
 * It gives up: the reference samples over all threads of the process; here `sample` counts the lines of a
 * thread. The share of lines is the same.
 */

import { LOG_LEVELS } from '../config/keywords/log.js';
import type { GlobalModel, LogTargetModel, ProxyModel } from '../config/model.js';
import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { programPid } from '../core/program-pid.js';
import type { LogRing } from '../shared/log-ring.js';
import { cutLine, type LogIdentity, logHeader, type WriteHeader } from './log-header.js';
import { DescriptorSink, type LogSink, RingSink, UdpSink, UnixSink } from './log-sinks.js';

/** `log-tag` unless the configuration has one. */
export const DEFAULT_LOG_TAG = 'holdfast';

/** What the identity of lines takes from the `global` section. */
type LogGlobals = Pick<GlobalModel, 'logTag' | 'logSendHostname'>;

function levelOf(name: string): number {
	return (LOG_LEVELS as readonly string[]).indexOf(name);
}

/** Which lines of a sequence `sample <ranges>:<size>` lets pass: lines are numbered from 1, and again after `size`. */
export class LogSampler {
	readonly #ranges: readonly (readonly [low: number, high: number])[];
	readonly #size: number;
	#index = 0;

	constructor(sample: NonNullable<LogTargetModel['sample']>) {
		this.#ranges = sample.ranges;
		this.#size = sample.size;
	}

	next(): boolean {
		const index = this.#index + 1;
		this.#index = index === this.#size ? 0 : index;
		return this.#ranges.some(([low, high]) => index >= low && index <= high);
	}
}

/** One `log` line: what passes, and in which dress. */
class LogTarget {
	readonly #sink: LogSink;
	readonly #header: WriteHeader;
	/** `<priority>` alone, for the helper of datagram sockets. */
	readonly #priority: WriteHeader;
	readonly #isStructured: boolean;
	readonly #lengthBytes: number;
	/** Less important than this is not sent. */
	readonly #maxLevel: number;
	/** More important than this is sent as this. */
	readonly #minLevel: number;
	readonly #sampler: LogSampler | undefined;

	constructor(model: LogTargetModel, sink: LogSink, identity: LogIdentity) {
		this.#sink = sink;
		// With a host name to send, the format that has one is the default (manual, 3.1 `log-send-hostname`).
		const format = model.format === 'local' && identity.hostname !== undefined ? 'rfc3164' : model.format;
		this.#header = logHeader(format, model.facility, identity);
		this.#priority = logHeader('priority', model.facility, identity);
		this.#isStructured = format === 'rfc5424';
		this.#lengthBytes = model.lengthBytes;
		this.#maxLevel = levelOf(model.maxLevel);
		this.#minLevel = levelOf(model.minLevel);
		this.#sampler = model.sample === undefined ? undefined : new LogSampler(model.sample);
	}

	write(level: number, text: string, wallMs: number, structuredData: string | undefined): void {
		if (level > this.#maxLevel) return;
		if (this.#sampler !== undefined && !this.#sampler.next()) return;
		const shown = Math.max(level, this.#minLevel);
		let header = this.#header(shown, wallMs);
		// Its place is where RFC 5424 (section 6.3) has a dash for none.
		if (structuredData !== undefined && this.#isStructured)
			header = `${header.slice(0, -'- '.length)}${structuredData} `;
		const line = cutLine(header, text, this.#lengthBytes);
		const sink = this.#sink;
		if (sink instanceof UnixSink) sink.sendBoth(line, cutLine(this.#priority(shown, wallMs), text, this.#lengthBytes));
		else sink.send(line);
	}
}

/** The log of a proxy: every line goes to each of its targets. */
export class TrafficLog {
	readonly #targets: readonly LogTarget[];
	readonly #clock: Clock;

	constructor(targets: readonly LogTarget[], clock: Clock) {
		this.#targets = targets;
		this.#clock = clock;
	}

	/** `level` 0 (emerg) to 7 (debug); `line` without newline; `structuredData` for targets in RFC 5424's format. */
	write(level: number, line: string, structuredData?: string): void {
		const wallMs = this.#clock.wallMs();
		// A line break inside would let a client forge a line of the log.
		const text = onOneLine(line);
		const data = structuredData === undefined ? undefined : onOneLine(structuredData);
		for (const target of this.#targets) target.write(level, text, wallMs, data);
	}
}

function onOneLine(text: string): string {
	return /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]/g, ' ') : text;
}

/** Opens targets for the proxies of a thread. */
export class TrafficLogTargets {
	readonly #global: LogGlobals;
	readonly #clock: Clock;
	readonly #logger: Pick<Logger, 'warn' | 'error'>;
	readonly #rings: ReadonlyMap<string, LogRing>;
	readonly #sinks = new Map<string, LogSink>();
	readonly #openSink: ((target: LogTargetModel['target']) => LogSink) | undefined;

	/** `openSink` stands in for the real targets in tests. */
	constructor(
		global: LogGlobals,
		clock: Clock,
		logger: Pick<Logger, 'warn' | 'error'>,
		rings: ReadonlyMap<string, LogRing> = new Map(),
		openSink?: (target: LogTargetModel['target']) => LogSink,
	) {
		this.#global = global;
		this.#clock = clock;
		this.#logger = logger;
		this.#rings = rings;
		this.#openSink = openSink;
	}

	/** The log of a section; undefined without targets. */
	logFor(targets: readonly LogTargetModel[], proxy?: Pick<ProxyModel, 'logTag'>): TrafficLog | undefined {
		if (targets.length === 0) return undefined;
		const identity: LogIdentity = {
			tag: proxy?.logTag ?? this.#global.logTag ?? DEFAULT_LOG_TAG,
			pid: programPid(),
			hostname: this.#global.logSendHostname,
		};
		const opened: LogTarget[] = [];
		for (const model of targets) {
			const sink = this.#sinkOf(model.target, identity.tag);
			if (sink !== undefined) opened.push(new LogTarget(model, sink, identity));
		}
		return new TrafficLog(opened, this.#clock);
	}

	/** The sink of a target, for messages that come with their own header. */
	readonly sinkFor = (target: LogTargetModel['target']): LogSink | undefined =>
		this.#sinkOf(target, this.#global.logTag ?? DEFAULT_LOG_TAG);

	/** Lines that no target took, since the start. */
	get droppedCount(): number {
		let count = 0;
		for (const sink of this.#sinks.values()) count += sink.droppedCount;
		return count;
	}

	/** Calls back when what was logged is written, before a thread ends. */
	end(done: () => void): void {
		let open = this.#sinks.size;
		if (open === 0) {
			done();
			return;
		}
		for (const sink of this.#sinks.values()) {
			sink.end(() => {
				open--;
				if (open === 0) done();
			});
		}
	}

	#sinkOf(target: LogTargetModel['target'], tag: string): LogSink | undefined {
		// The helper of a datagram socket writes the tag itself: one for each tag.
		const key = JSON.stringify(target.kind === 'unix' ? { ...target, tag } : target);
		const known = this.#sinks.get(key);
		if (known !== undefined) return known;
		const sink = this.#openSink === undefined ? this.#open(target, tag) : this.#openSink(target);
		if (sink !== undefined) this.#sinks.set(key, sink);
		return sink;
	}

	#open(target: LogTargetModel['target'], tag: string): LogSink | undefined {
		switch (target.kind) {
			case 'stdout':
				return new DescriptorSink(1, this.#clock, this.#logger);
			case 'stderr':
				return new DescriptorSink(2, this.#clock, this.#logger);
			case 'fd':
				return new DescriptorSink(target.fd, this.#clock, this.#logger);
			case 'udp':
				return new UdpSink(target.host, target.port, this.#logger);
			case 'unix':
				return new UnixSink(target.path, tag, this.#clock, this.#logger);
			case 'ring': {
				const ring = this.#rings.get(target.name);
				return ring === undefined ? undefined : new RingSink(ring);
			}
			case 'tcp':
				// A ring since the file was read.
				return undefined;
		}
	}
}
