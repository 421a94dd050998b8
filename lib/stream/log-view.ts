/**
 * What a log line needs of a stream beyond its messages (manual, 8.2.4 and 8.4): made when the first line or
 * timer fetch asks for it, computed from the stream's own fields at that moment.
 */
import { IpAddress } from '../core/address.js';
import { saidVersionOf } from '../sample/http-parts.js';
import type { StreamLogView, StreamTimings } from '../sample/types.js';
import type { Stream } from './stream.js';

export class StreamLog implements StreamLogView, StreamTimings {
	readonly #stream: Stream;

	constructor(stream: Stream) {
		this.#stream = stream;
	}

	get timings(): StreamTimings {
		return this;
	}

	// ---- StreamTimings: -1 for what has not happened (manual, 8.4)

	get acceptWallMs(): number {
		return this.#stream.session.acceptedWallMs;
	}

	get requestWallMs(): number {
		const { session, requestBeganMs } = this.#stream;
		return session.acceptedWallMs + requestBeganMs - session.acceptedMs;
	}

	get handshakeMs(): number {
		return 0;
	}

	get idleMs(): number {
		return this.#stream.idleMs;
	}

	get requestMs(): number {
		const { requestTimeKnown, startedMs, requestBeganMs } = this.#stream;
		return requestTimeKnown ? startedMs - requestBeganMs : -1;
	}

	get queueMs(): number {
		const { assignedMs, startedMs, tarpitted, service } = this.#stream;
		if (tarpitted) return this.#endMs - startedMs;
		if (service !== undefined) return 0;
		return assignedMs < 0 ? -1 : assignedMs - startedMs;
	}

	get connectMs(): number {
		const { connectedMs, assignedMs, service } = this.#stream;
		if (service !== undefined) return 0;
		return connectedMs < 0 || assignedMs < 0 ? -1 : connectedMs - assignedMs;
	}

	get responseMs(): number {
		const { respondedMs, connectedMs, service } = this.#stream;
		// A service is there at once (as observed).
		if (service !== undefined) return 0;
		return respondedMs < 0 ? -1 : respondedMs - connectedMs;
	}

	get dataMs(): number {
		const { respondedMs, connectedMs, request } = this.#stream;
		if (request === undefined) return connectedMs < 0 ? -1 : this.#endMs - connectedMs;
		return respondedMs < 0 ? -1 : this.#endMs - respondedMs;
	}

	get totalMs(): number {
		return this.#endMs - this.#stream.requestBeganMs + this.#stream.idleMs;
	}

	get activeMs(): number {
		return this.#endMs - this.#stream.requestBeganMs;
	}

	get userMs(): number {
		return this.activeMs;
	}

	get #endMs(): number {
		const { endedMs, session } = this.#stream;
		return endedMs < 0 ? session.thread.nowMs() : endedMs;
	}

	// ---- StreamLogView

	get serviceName(): string | undefined {
		return this.#stream.service?.logName;
	}

	get bytesRead(): number {
		return this.#stream.responseHeadBytes + this.#stream.responseBodyBytes;
	}

	get bytesUploaded(): number {
		return this.#stream.requestHeadBytes + this.#stream.requestBodyBytes;
	}

	get statusCode(): number {
		const { isHttp, statusCode } = this.#stream;
		// As observed in mode tcp.
		return isHttp ? statusCode : 0;
	}

	/** Rules may have changed method and target since; the log shows what the client sent. */
	get requestLine(): string | undefined {
		const { request, originalMethod, originalTarget, session, lineUnknown } = this.#stream;
		if (lineUnknown) return '';
		if (request === undefined) return undefined;
		return `${originalMethod} ${originalTarget} HTTP/${saidVersionOf(request)}`.slice(0, session.thread.requestLineMax);
	}

	get terminationState(): string {
		const { cause, phase, cookieRequestState, cookieResponseState } = this.#stream;
		return cause + phase + cookieRequestState + cookieResponseState;
	}

	get activeConnections(): number {
		return this.#stream.session.thread.activeConnections();
	}

	get frontendConnections(): number {
		return this.#stream.frontend.counters.current;
	}

	/** Without this stream, which counts no longer when its line is written: as in the reference. */
	get backendConnections(): number {
		return this.#stream.backendTraffic?.counters.current ?? 0;
	}

	get serverConnections(): number {
		const { server, backendTraffic } = this.#stream;
		if (server === undefined) return 0;
		return backendTraffic?.serverCounters[server.index]?.current ?? 0;
	}

	get retries(): number {
		return this.#stream.retryCount;
	}

	get redispatched(): boolean {
		return this.#stream.redispatched;
	}

	get serverQueue(): number {
		return this.#stream.serverQueuePosition;
	}

	get backendQueue(): number {
		return this.#stream.backendQueuePosition;
	}

	get requestCounter(): number {
		return this.#stream.number;
	}

	get cookieCapture(): string | undefined {
		return this.#stream.cookieCapture;
	}

	get serverCookieCapture(): string | undefined {
		return this.#stream.serverCookieCapture;
	}

	get serverSideSource(): IpAddress | undefined {
		const text = this.#stream.exchange.serverSideAddress;
		return text === undefined ? undefined : IpAddress.parse(text);
	}

	get serverSideSourcePort(): number | undefined {
		return this.#stream.exchange.serverSidePort;
	}

	get origin(): string {
		return this.#stream.logOrigin;
	}

	get logCounter(): number {
		return this.#stream.frontend.logCounter;
	}
}
