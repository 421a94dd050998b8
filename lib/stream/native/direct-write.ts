/**
 * Short writes without Node's stream machinery.
 *
 * Nearly every write of a proxy is a head with a small body, which the kernel takes at once. For those, the way
 * through `Writable` (state, a request object, a tick afterwards) costs more than making the text did.
 * Here the text goes straight to libuv's handle, as `net.Socket` itself does in the end. One request object
 * serves all writes of a thread: the handle touches it only when the kernel did not take everything, and then
 * it is left to that write and another one is made.
 *
 * The order with ordinary writes is kept by libuv's own queue, which both go through. What this relies on is
 * the method `writeLatin1String(request, text)` of Node's TCP and pipe handles and the class of its request
 * object, which is learned from the first ordinary write. Should a later Node lack either, `writeDirect`
 * answers false and all writes are ordinary ones.
 */
import type { Socket } from 'node:net';

/** The part of a libuv stream handle that is used. */
export interface StreamHandle {
	readonly writeQueueSize: number;
	writeLatin1String?(request: object, text: string): number;
}

interface WriteRequest {
	handle?: StreamHandle;
	writer?: DirectWriter;
	byteCount?: number;
	oncomplete?: (this: WriteRequest, status: number) => void;
}

/** A connection as this file needs it. */
export interface DirectWriter {
	readonly socket: Socket;
	readonly handle: StreamHandle | null;
	directBytes: number;
}

let makeRequest: (new () => WriteRequest) | undefined;
let learning = false;
let unusable = false;
let spare: WriteRequest | undefined;

/** Writes `text` unless this must be left to the socket; errors come as the socket's `error` event. */
export function writeDirect(writer: DirectWriter, text: string): boolean {
	const { handle } = writer;
	if (handle === null || handle.writeLatin1String === undefined || unusable) return false;
	if (spare === undefined) {
		if (makeRequest === undefined) {
			if (!learning) learn(handle);
			return false;
		}
		spare = new makeRequest();
	}
	if (writer.socket.connecting) return false;
	const request = spare;
	const status = handle.writeLatin1String(request, text);
	if (status !== 0) {
		writer.socket.destroy(new Error(`write failed with status ${status}`));
		return true;
	}
	if (handle.writeQueueSize === 0) return true;
	// Part of it waits in libuv's queue, and the request object with it.
	spare = undefined;
	request.handle = handle;
	request.writer = writer;
	request.byteCount = text.length;
	request.oncomplete = onWritten;
	writer.directBytes += text.length;
	return true;
}

function onWritten(this: WriteRequest, status: number): void {
	const { writer } = this;
	if (writer === undefined) return;
	writer.directBytes -= this.byteCount ?? 0;
	if (status < 0 && !writer.socket.destroyed) writer.socket.destroy(new Error(`write failed with status ${status}`));
}

/** Looks once at the request object that `net.Socket` gives to the handle. */
function learn(handle: StreamHandle): void {
	const original = handle.writeLatin1String;
	if (original === undefined) return;
	learning = true;
	handle.writeLatin1String = function (this: StreamHandle, request: object, text: string): number {
		delete this.writeLatin1String;
		learning = false;
		const found = request.constructor as new () => WriteRequest;
		if (typeof found === 'function' && found.name === 'WriteWrap') makeRequest = found;
		else unusable = true;
		return original.call(this, request, text);
	};
}
