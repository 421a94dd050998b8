/**
 * The log lines of a frontend's streams: which format, at which level, to which targets (manual, 8.2, 8.3).
 */
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
import type { Stream } from '../stream/stream.js';

/** Where lines go. */
export interface TrafficLogSink {
	/** `level` 0 (emerg) to 7 (debug); `structuredData` for targets in RFC 5424's format. */
	write(level: number, line: string, structuredData?: string): void;
}

/** Gives the sinks of the lines' targets, each target opened once. */
export interface TrafficLogs {
	logFor(targets: readonly LogTargetModel[], proxy: ProxyModel): TrafficLogSink | undefined;
}

const LEVEL_ERR = 3;
const LEVEL_INFO = 6;

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
	const format = compileFormat(model, context);
	const errorFormat = compileLine(model.errorLogFormat, context);
	const structuredData = compileLine(model.logFormatSd, context);
	if (context.diagnostics.errorCount > errorsBefore || model.logTargets.length === 0) return undefined;
	const sink = logs.logFor(model.logTargets, model);
	if (sink === undefined) return undefined;
	const { logSeparateErrors } = model.options;
	const start = compileLogFormat('%ci:%cp [%t]', context.at(model.place, 'log-format'));
	if (start === undefined) return undefined;
	if (format === undefined) return new ConnectionLogger(sink, model.mode, start);
	return {
		log(stream) {
			const level = stream.logLevel ?? (logSeparateErrors && hasError(stream) ? LEVEL_ERR : LEVEL_INFO);
			// `error-log-format` is for what never became a request (manual, 8.2.6).
			const used = errorFormat !== undefined && stream.isHttp && stream.request === undefined ? errorFormat : format;
			if (level !== 'silent') sink.write(level, used.render(stream), structuredData?.render(stream));
		},
		setUpFailed(stream, reason) {
			const line = errorFormat?.render(stream) ?? describeFailure(start, stream, reason);
			sink.write(logSeparateErrors ? LEVEL_ERR : LEVEL_INFO, line, structuredData?.render(stream));
		},
	};
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

/** Errors, timeouts, retries, redispatches and statuses from 500 on (manual, 8.3.3). */
function hasError(stream: Stream): boolean {
	return stream.cause !== '-' || stream.retryCount > 0 || stream.redispatched || stream.statusCode >= 500;
}

/** `10.0.0.1:4711 [date] frontend/listener: SSL handshake failure` (manual, 8.2.5). */
function describeFailure(start: LogFormat, stream: Stream, reason: string): string {
	const { session } = stream;
	return `${start.render(stream)} ${session.frontend.name}/${session.listenerName ?? session.listenerId}: ${reason}`;
}

/** The default format: one line as soon as a stream begins, and none at its end (manual, 8.2.1). */
class ConnectionLogger implements StreamLogger {
	readonly #sink: TrafficLogSink;
	readonly #mode: string;
	readonly #start: LogFormat;

	constructor(sink: TrafficLogSink, mode: 'http' | 'tcp', start: LogFormat) {
		this.#sink = sink;
		this.#start = start;
		this.#mode = mode.toUpperCase();
	}

	started({ session }: Stream): void {
		const { source, destination } = session;
		// As observed, a unix socket has no "from".
		const path =
			source === undefined || destination === undefined
				? `to unix:${session.listenerId}`
				: `from ${source}:${session.sourcePort} to ${destination}:${session.destinationPort}`;
		this.#sink.write(LEVEL_INFO, `Connect ${path} (${session.frontend.name}/${this.#mode})`);
	}

	log(): void {}

	setUpFailed(stream: Stream, reason: string): void {
		this.#sink.write(LEVEL_INFO, describeFailure(this.#start, stream, reason));
	}
}
