/**
 * A `log-forward` section in one data thread: messages come in as texts, and each goes on to every target that
 * lets its level pass (manual, 3.10). Targets are those of `log` lines, with the same sinks, so a slow one costs
 * messages of its own and never waits.
 */
import { LOG_FACILITIES, LOG_LEVELS } from '../../config/keywords/log.js';
import type { LogForwardModel, LogForwardTargetModel } from '../../config/log-model.js';
import type { Clock } from '../../core/clock.js';
import { LogSampler } from '../log.js';
import { cutLine, presentTime } from '../log-header.js';
import { type LogSink, UnixSink } from '../log-sinks.js';
import { formatSyslog, parseSyslog, type SyslogMessage, UNKNOWN_LEVEL, unparsedSyslog, withHost } from './message.js';

/** Finds the open sink of a target. */
export type SinkOf = (target: LogForwardTargetModel['target']) => LogSink | undefined;

class ForwardTarget {
	readonly #sink: LogSink;
	readonly #model: LogForwardTargetModel['target'];
	readonly #keepsFormat: boolean;
	/** For messages that name none. */
	readonly #facilityBits: number;
	readonly #maxLevel: number;
	readonly #minLevel: number;
	readonly #sampler: LogSampler | undefined;
	/** A datagram is one message whatever stands in it; everywhere else a newline would begin a line. */
	readonly #isDatagram: boolean;

	constructor({ target, keepsFormat }: LogForwardTargetModel, sink: LogSink) {
		this.#sink = sink;
		this.#model = target;
		this.#keepsFormat = keepsFormat;
		this.#facilityBits = (LOG_FACILITIES as readonly string[]).indexOf(target.facility) * 8;
		this.#maxLevel = (LOG_LEVELS as readonly string[]).indexOf(target.maxLevel);
		this.#minLevel = (LOG_LEVELS as readonly string[]).indexOf(target.minLevel);
		this.#sampler = target.sample === undefined ? undefined : new LogSampler(target.sample);
		this.#isDatagram = target.target.kind === 'udp';
	}

	send(message: SyslogMessage, wallMs: number): void {
		const level = message.priority === undefined ? UNKNOWN_LEVEL : message.priority & 7;
		if (level > this.#maxLevel) return;
		if (this.#sampler !== undefined && !this.#sampler.next()) return;
		const facilityBits = message.priority === undefined ? this.#facilityBits : message.priority & ~7;
		const priority = facilityBits + Math.max(level, this.#minLevel);
		const format = this.#keepsFormat ? message.format : this.#model.format;
		const line = this.#cut(formatSyslog(message, format, priority, presentTime(wallMs)));
		if (this.#sink instanceof UnixSink) {
			this.#sink.sendBoth(line, this.#cut(formatSyslog(message, 'priority', priority, presentTime(wallMs))));
		} else this.#sink.send(line);
	}

	#cut(text: string): string {
		return cutLine('', this.#isDatagram ? text : text.replace(/[\r\n\0]/g, ' '), this.#model.lengthBytes);
	}
}

export class LogForwarder {
	readonly #model: LogForwardModel;
	readonly #targets: readonly ForwardTarget[];
	readonly #clock: Clock;
	readonly #received: () => void;

	/** `received` is told of every message. */
	constructor(model: LogForwardModel, sinkOf: SinkOf, clock: Clock, received: () => void) {
		this.#model = model;
		this.#clock = clock;
		this.#received = received;
		this.#targets = model.targets.flatMap((target) => {
			const sink = sinkOf(target.target);
			return sink === undefined ? [] : [new ForwardTarget(target, sink)];
		});
	}

	/** One message as it came, a byte string; `source`: the address of its sender. */
	forward(bytes: string, source: string | undefined): void {
		this.#received();
		const text = bytes.replace(/[\n\0]+$/, '');
		const { parsesMessages, hostStrategy } = this.#model;
		const wallMs = this.#clock.wallMs();
		const parsed = parsesMessages ? parseSyslog(text, wallMs) : unparsedSyslog(text);
		const message = parsesMessages ? withHost(parsed, hostStrategy, source) : parsed;
		for (const target of this.#targets) target.send(message, wallMs);
	}
}
