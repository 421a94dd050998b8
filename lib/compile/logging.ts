/**
 * The log lines of a frontend's streams: which format, at which level, to which targets (manual, 8.2, 8.3).
 */
import type { LogStep, RuleLogStep } from '../config/keywords/log-profile.js';
import type { Line, LogTargetModel, ProxyModel } from '../config/model.js';
import type { StreamLogger } from '../frontend/frontend.js';
import {
	compileLogFormat,
	HTTP_CLF_LOG_FORMAT,
	HTTP_LOG_FORMAT,
	HTTPS_LOG_FORMAT,
	type LogFormat,
	TCP_LOG_FORMAT,
} from '../sample/log-format.js';
import type { CompileContext } from '../sample/types.js';
import type { LogSink } from '../stream/log-sinks.js';
import type { Stream } from '../stream/stream.js';
import { metTrouble } from '../stream/termination.js';
import { compileLogProfiles, type LogProfile, type ProfileStep } from './log-profiles.js';

/** Where lines go. */
export interface TrafficLogSink {
	/** `level` 0 (emerg) to 7 (debug); `structuredData` for targets in RFC 5424's format. */
	write(level: number, line: string, structuredData?: string): void;
}

/** Gives the sinks of the lines' targets, each target opened once. */
export interface TrafficLogs {
	logFor(targets: readonly LogTargetModel[], proxy: Pick<ProxyModel, 'logTag'>): TrafficLogSink | undefined;
	/** Where messages that come with their own header go. */
	readonly sinkFor?: (target: LogTargetModel['target']) => LogSink | undefined;
}

const LEVEL_ERR = 3;
const LEVEL_INFO = 6;

/** What is written where nothing else is said. */
interface ProxyFormats {
	/** Undefined: the default, a line when the stream begins (manual, 8.2.1). */
	readonly line: LogFormat | undefined;
	readonly error: LogFormat | undefined;
	readonly structuredData: LogFormat | undefined;
	/** `10.0.0.1:4711 [date]`, where a sentence follows. */
	readonly start: LogFormat;
}

/**
 * What writes the lines of a frontend; undefined when it has no `log` line, or after an error. Formats are
 * compiled in any case, so that a mistake in one is named even where it is not used yet.
 */
export function compileStreamLogger(
	model: ProxyModel,
	context: CompileContext,
	logs: TrafficLogs,
): StreamLogger | undefined {
	const errorsBefore = context.diagnostics.errorCount;
	const line = compileFormat(model, context);
	const error = compileLine(model.errorLogFormat, context);
	const structuredData = compileLine(model.logFormatSd, context);
	const hasTargets = model.logTargets.length > 0;
	const profiles = hasTargets ? compileLogProfiles(context.model.logProfiles, context) : new Map<string, LogProfile>();
	const start = compileLogFormat('%ci:%cp [%t]', context.at(model.place, 'log-format'));
	if (context.diagnostics.errorCount > errorsBefore || !hasTargets || start === undefined) return undefined;
	const outlets: Outlet[] = [];
	// Targets with one log profile get the same lines.
	for (const name of new Set(model.logTargets.map(({ profile }) => profile))) {
		const profile = name === undefined ? undefined : profiles.get(name);
		const targets = model.logTargets.filter((target) => target.profile === name);
		const sink = logs.logFor(targets, { logTag: profile?.logTag ?? model.logTag });
		if (sink !== undefined) outlets.push({ sink, profile });
	}
	if (outlets.length === 0) return undefined;
	return new FrontendLogger(model, { line, error, structuredData, start }, outlets, profiles);
}

/** Targets that are sent the same lines. */
interface Outlet {
	readonly sink: TrafficLogSink;
	readonly profile: LogProfile | undefined;
}

class FrontendLogger implements StreamLogger {
	readonly #model: ProxyModel;
	readonly #formats: ProxyFormats;
	readonly #outlets: readonly Outlet[];
	readonly #profiles: ReadonlyMap<string, LogProfile>;

	constructor(
		model: ProxyModel,
		formats: ProxyFormats,
		outlets: readonly Outlet[],
		profiles: ReadonlyMap<string, LogProfile>,
	) {
		this.#model = model;
		this.#formats = formats;
		this.#outlets = outlets;
		this.#profiles = profiles;
	}

	log(stream: Stream): void {
		const isError = this.#model.options.logSeparateErrors && metTrouble(stream);
		// `error-log-format` is for what never became a request (manual, 8.2.6).
		const isBroken = stream.isHttp && stream.request === undefined;
		const { line, error } = this.#formats;
		stream.logOrigin = isBroken ? 'sess_error' : 'txn_close';
		const own = isBroken && line !== undefined ? (error ?? line) : line;
		this.#write(stream, isBroken ? 'error' : 'close', own, isError ? LEVEL_ERR : LEVEL_INFO);
	}

	step(stream: Stream, step: LogStep): void {
		stream.logOrigin = `txn_${step}`;
		this.#write(stream, step, this.#formats.line, LEVEL_INFO);
	}

	byRule(stream: Stream, step: RuleLogStep, profile: string | undefined): void {
		stream.logOrigin = step;
		const { line, start } = this.#formats;
		this.#write(
			stream,
			step,
			line ?? start,
			LEVEL_INFO,
			profile === undefined ? undefined : this.#profiles.get(profile),
		);
	}

	/** The default format has its line as soon as a stream begins, and none at its end (manual, 8.2.1). */
	started(stream: Stream): void {
		if (this.#formats.line !== undefined) return;
		for (const { sink, profile } of this.#outlets) {
			if (profile === undefined || !profile.has('close')) sink.write(LEVEL_INFO, connectSentence(stream));
		}
	}

	setUpFailed(stream: Stream, reason: string): void {
		const { error, start, line } = this.#formats;
		const level = line !== undefined && this.#model.options.logSeparateErrors ? LEVEL_ERR : LEVEL_INFO;
		stream.logOrigin = 'sess_error';
		if (line === undefined || error === undefined) {
			const sentence = describeFailure(start, stream, reason);
			this.#write(stream, 'error', sentence, level);
		} else this.#write(stream, 'error', error, level);
	}

	/** One line to each outlet: what its profile has for the step, else `own`; undefined: nothing. */
	#write(
		stream: Stream,
		step: ProfileStep,
		own: LogFormat | string | undefined,
		defaultLevel: number,
		named?: LogProfile,
	): void {
		const level = stream.logLevel ?? defaultLevel;
		if (level === 'silent') return;
		// The same for all outlets without a profile: rendered once.
		let text: string | undefined;
		for (const outlet of this.#outlets) {
			const entry = (named ?? outlet.profile)?.at(step);
			if (entry?.drop === true) continue;
			const { structuredData } = this.#formats;
			const data = (entry?.sd ?? structuredData)?.render(stream);
			if (entry?.format !== undefined) outlet.sink.write(level, entry.format.render(stream), data);
			else if (own !== undefined) {
				text ??= typeof own === 'string' ? own : own.render(stream);
				outlet.sink.write(level, text, data);
			}
		}
	}
}

function compileLine(line: Line | undefined, context: CompileContext): LogFormat | undefined {
	return line === undefined ? undefined : compileLogFormat(line.words.join(' '), context.at(line.place, 'log-format'));
}

/** Undefined: neither a format nor an option says one, and the line is the default's (manual, 8.2.1). */
function compileFormat(model: ProxyModel, context: CompileContext): LogFormat | undefined {
	const { logFormat } = model;
	if (logFormat === undefined) return undefined;
	const [place, text] =
		typeof logFormat === 'string'
			? [model.place, FORMATS_OF_OPTIONS[logFormat] + (model.options.logDecision ? DECISION_FIELD : '')]
			: [logFormat.place, logFormat.words.join(' ')];
	return compileLogFormat(text, context.at(place, 'log-format'));
}

/** `option log-decision`. It has spaces, and nothing comes after it. */
const DECISION_FIELD = ' %{-Q}[decision]';

const FORMATS_OF_OPTIONS: Readonly<Record<Extract<ProxyModel['logFormat'], string>, string>> = {
	httplog: HTTP_LOG_FORMAT,
	httpslog: HTTPS_LOG_FORMAT,
	'httplog clf': HTTP_CLF_LOG_FORMAT,
	tcplog: TCP_LOG_FORMAT,
};

/** `10.0.0.1:4711 [date] frontend/listener: SSL handshake failure` (manual, 8.2.5). */
function describeFailure(start: LogFormat, stream: Stream, reason: string): string {
	const { session } = stream;
	return `${start.render(stream)} ${session.frontend.name}/${session.listenerName ?? session.listenerId}: ${reason}`;
}

/** `Connect from 10.0.0.1:4711 to 10.0.0.2:80 (www/HTTP)`. */
function connectSentence({ session }: Stream): string {
	const { source, destination, frontend } = session;
	// As observed, a unix socket has no "from".
	const path =
		source === undefined || destination === undefined
			? `to unix:${session.listenerId}`
			: `from ${source}:${session.sourcePort} to ${destination}:${session.destinationPort}`;
	return `Connect ${path} (${frontend.name}/${frontend.mode.toUpperCase()})`;
}
