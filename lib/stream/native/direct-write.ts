/**
 * Writes without Node's stream machinery.
 *
 * Nearly every write of a proxy is taken by the kernel at once: a head with a small body, or a buffer of a
 * large one. For those, the way through `Writable` (state, a request object, a tick afterwards) costs more
 * than making the bytes did. Here they go straight to libuv's handle, as `net.Socket` itself does in the
 * end. One request object serves all writes of a thread: the handle touches it only when the kernel did not take
 * everything, and then it is left to that write and another one is made. (The length of libuv's queue does not
 * tell: a write may be queued and finished by the second attempt, and still call back later.) Whoever wrote a
 * buffer knows on return whether it is free again, so that a body streams through a single one.
 *
 * The order with ordinary writes is kept by libuv's own queue, which both go through. What this relies on:
 * the methods `writeLatin1String` and `writeBuffer` of Node's TCP and pipe handles. How they are called is
 * learned from the first ordinary write: up to Node 24 with a request object, whose class is seen then; from
 * Node 26 on with null, and what did not fit comes back as a request object of their own. Should a later Node
 * do neither, `UNAVAILABLE` is answered and all writes are ordinary ones.
 */
import type { Socket } from 'node:net';

/** The part of a libuv stream handle that is used. */
export interface StreamHandle {
	readonly writeQueueSize: number;
	writeLatin1String?(request: object | null, text: string): number | WriteRequest | undefined;
	writeBuffer?(request: object | null, bytes: Uint8Array): number | WriteRequest | undefined;
}

interface WriteRequest {
	/** UNUSED until a write has been left waiting with this object. */
	getAsyncId(): number;
	/** Keep what the write needs alive while it waits. */
	handle?: StreamHandle;
	buffer?: Uint8Array;
	writer?: DirectWriter;
	pooled?: Buffer | undefined;
	byteCount?: number;
	/** Node 26: the outcome of a write that was over before anybody could listen. */
	writeStatus?: number | null;
	oncomplete?: (this: WriteRequest, status: number) => void;
}

/** A connection as this file needs it. */
export interface DirectWriter {
	readonly socket: Socket;
	/** Null while the socket connects, and when it is closed. */
	readonly handle: StreamHandle | null;
	/** Bytes of direct writes that wait in libuv's queue. */
	directBytes: number;
	/** A write that had to wait is done; its pooled buffer is free. */
	directWritten(pooled: Buffer | undefined): void;
}

/** What `getAsyncId` says of a request object that no write has taken. */
const UNUSED = -1;

export const Written = {
	/** All of it is with the kernel, or the socket is broken and will say so: the buffer is free. */
	DONE: 0,
	/** The rest waits; `directWritten` follows. */
	WAITS: 1,
	/** Nothing was written: use the socket. */
	UNAVAILABLE: 2,
} as const;
export type Written = (typeof Written)[keyof typeof Written];

let makeRequest: (new () => WriteRequest) | undefined;
/** The handle makes request objects itself, when it needs one. */
let madeByHandle = false;
let learning = false;
let unusable = false;
let spare: WriteRequest | undefined;
/** The method of that class, kept: finding it on Node's prototypes costs as much as the call. */
let asyncIdOf: (this: WriteRequest) => number = () => UNUSED;

export function writeTextDirect(writer: DirectWriter, text: string): Written {
	const { handle } = writer;
	if (spare === undefined && !madeByHandle && !prepare(handle)) return Written.UNAVAILABLE;
	if (handle?.writeLatin1String === undefined) return Written.UNAVAILABLE;
	const result = handle.writeLatin1String(spare ?? null, text);
	if (result === 0 && (spare === undefined || asyncIdOf.call(spare) === UNUSED)) return Written.DONE;
	return settle(writer, handle, result, text.length, undefined, undefined);
}

export function writeBufferDirect(writer: DirectWriter, bytes: Buffer, pooled: Buffer | undefined): Written {
	const { handle } = writer;
	if (spare === undefined && !madeByHandle && !prepare(handle)) return Written.UNAVAILABLE;
	if (handle?.writeBuffer === undefined) return Written.UNAVAILABLE;
	const result = handle.writeBuffer(spare ?? null, bytes);
	if (result === 0 && (spare === undefined || asyncIdOf.call(spare) === UNUSED)) return Written.DONE;
	return settle(writer, handle, result, bytes.length, bytes, pooled);
}

/** The rare end of a write: it failed, or part of it waits in libuv's queue and the request object with it. */
function settle(
	writer: DirectWriter,
	handle: StreamHandle,
	result: number | WriteRequest | undefined,
	byteCount: number,
	buffer: Buffer | undefined,
	pooled: Buffer | undefined,
): Written {
	if (typeof result === 'number' && result !== 0) {
		writer.socket.destroy(new Error(`write failed with status ${result}`));
		return Written.DONE;
	}
	// A handle that is gone answers nothing; its socket is about to say that it is closed.
	if (result === undefined) return Written.DONE;
	const request = typeof result === 'number' ? (spare as WriteRequest) : result;
	spare = undefined;
	request.handle = handle;
	request.writer = writer;
	request.byteCount = byteCount;
	if (buffer !== undefined) request.buffer = buffer;
	request.pooled = pooled;
	request.oncomplete = onComplete;
	writer.directBytes += byteCount;
	const { writeStatus } = request;
	if (typeof writeStatus === 'number') {
		request.writeStatus = null;
		writer.directBytes -= byteCount;
		request.oncomplete = () => undefined;
		if (writeStatus < 0) writer.socket.destroy(new Error(`write failed with status ${writeStatus}`));
		return Written.DONE;
	}
	return Written.WAITS;
}

function onComplete(this: WriteRequest, status: number): void {
	const { writer } = this;
	if (writer === undefined) return;
	writer.directBytes -= this.byteCount ?? 0;
	if (status < 0) {
		// The memory may still be in the kernel's hands: it is left to the garbage collector.
		if (!writer.socket.destroyed) writer.socket.destroy(new Error(`write failed with status ${status}`));
		return;
	}
	writer.directWritten(this.pooled);
}

/** A request object for the next write; false while there is none to be had. */
function prepare(handle: StreamHandle | null): boolean {
	if (makeRequest !== undefined) {
		spare = new makeRequest();
		return true;
	}
	if (!learning && !unusable && handle !== null) learn(handle);
	return false;
}

/** Looks once at the request object that `net.Socket` gives to the handle. */
function learn(handle: StreamHandle): void {
	const original = handle.writeLatin1String;
	if (original === undefined) return;
	learning = true;
	handle.writeLatin1String = function (
		this: StreamHandle,
		request: object | null,
		text: string,
	): number | WriteRequest | undefined {
		delete this.writeLatin1String;
		learning = false;
		const found = request?.constructor as (new () => WriteRequest) | undefined;
		if (request === null) madeByHandle = true;
		else if (isUsable(found)) makeRequest = found as new () => WriteRequest;
		else unusable = true;
		return original.call(this, request, text);
	};
}

function isUsable(found: unknown): boolean {
	if (typeof found !== 'function' || found.name !== 'WriteWrap') return false;
	const probe = new (found as new () => WriteRequest)();
	if (typeof probe.getAsyncId !== 'function' || probe.getAsyncId() !== UNUSED) return false;
	asyncIdOf = probe.getAsyncId;
	return true;
}
