/**
 * What a client's and a server's connection have in common: a socket read through `onread` into buffers
 * chosen here, writes that hand whole buffers on, and pausing when the other side is slower.
 *
 * Bytes that were read stand in `chunk[chunkStart..chunkEnd)` while they are worked on. Whatever is left
 * there when the work stops (a partial head, a pipelined request, a body nobody can take yet) is kept in a
 * copy, so that the shared scratch buffer is free again; the next bytes are appended to it.
 *
 * Reading goes on by itself until `pauseReading`. A reader that is ahead of its writer pauses: at most
 * `WRITE_LIMIT_BYTES` wait in a socket, so a slow client of a fast server costs two buffers.
 */
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { resetSocket } from '../../core/reset-socket.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { Deadline } from '../timeouts.js';
import { type StreamHandle, Written, writeBufferDirect, writeTextDirect } from './direct-write.js';
import { READ_BUFFER_BYTES, type ReadBuffers } from './read-buffers.js';

/** Bytes that may wait in a socket before its source is paused. */
export const WRITE_LIMIT_BYTES = 64 * 1024;

/** Up to here a message is one text, decoded, joined and written; beyond, its body is copied as bytes. */
export const SHORT_BYTES = 2048;

/** Node's stack buffer for writing a string without allocating (StreamBase::WriteString). */
export const TEXT_WRITE_BYTES = 16 * 1024 - 1;

/** A socket that knows its connection, so that one set of listeners serves all sockets. */
class TrafficSocket extends Socket {
	connection: Connection | undefined;
	/** Undefined: it is read in Node's ordinary way. */
	reader: Reader | undefined;
	/** Read before its present connection took it over. */
	unread: Buffer | undefined;
}

export const EMPTY_CHUNK: Buffer = Buffer.alloc(0);

/** What a connection that is a stream of HTTP/2 has in place of a socket (h2/client-stream.ts). */
export const NO_SOCKET: Socket = { setNoDelay: () => undefined } as unknown as Socket;

/** Of a socket that is read by `onread`: who gets what it reads. */
interface Reader {
	connection: Connection;
}

export abstract class Connection extends Deadline {
	readonly socket: Socket;
	protected readonly thread: ThreadRuntime;
	protected readonly buffers: ReadBuffers;
	/** Bytes of direct writes that the kernel has not taken. */
	directBytes = 0;
	/** Bytes read and not consumed. */
	protected chunk: Buffer = EMPTY_CHUNK;
	protected chunkStart = 0;
	protected chunkEnd = 0;
	/** The next reads go on with a body: they get buffers of their own. */
	protected bulk = false;
	/** The other side has said that it sends no more. */
	protected readEnded = false;
	protected readPaused = false;
	closed = false;
	#isEncrypted = false;
	/** Where the next read goes. */
	#readBuffer: Buffer | undefined;
	/** `#readBuffer` was given to another socket's write. */
	#readBufferGone = false;
	/** Pooled buffers in writes, in order; undefined for a write that has none. */
	#writing: (Buffer | undefined)[] | undefined;
	/** Made for the first write that goes the ordinary way: most connections have none. */
	#onWritten: (() => void) | undefined;
	/** The socket's own, kept because asking for it each time costs as much as a small write in libuv. */
	#handle: StreamHandle | null = null;
	/** Written at the end of the round (deferred-writes.ts). */
	#deferred = '';

	/** `handle`: of an accepted connection, or what serves as its socket; without it the socket is to be connected. */
	constructor(thread: ThreadRuntime, handle: unknown) {
		super();
		this.thread = thread;
		this.buffers = thread.readBuffers;
		if (handle === NO_SOCKET) {
			this.socket = NO_SOCKET;
			this.#isEncrypted = true;
			return;
		}
		if (handle instanceof EventEmitter) {
			this.socket = this.#adopt(handle as Socket);
			return;
		}
		const reader: Reader = { connection: this };
		const options = {
			allowHalfOpen: true,
			onread: {
				buffer: () => reader.connection.#nextReadBuffer(),
				callback: (byteCount: number, buffer: Uint8Array) => reader.connection.#onRead(byteCount, buffer as Buffer),
			},
			...(handle === undefined ? undefined : { handle }),
		};
		const socket = new TrafficSocket(options as ConstructorParameters<typeof Socket>[0]);
		socket.connection = this;
		socket.reader = reader;
		this.socket = socket;
		socket.on('end', onSocketEnd);
		socket.on('error', onSocketError);
		socket.on('close', onSocketClose);
	}

	/**
	 * A socket that TLS or the PROXY protocol has made, or a stream of HTTP/2 in the shape of one (h2/): it is read from
	 * in Node's ordinary way, in buffers of Node's, and what is encrypted or framed is written in the ordinary way too.
	 */
	#adopt(socket: Socket): Socket {
		this.#isEncrypted = socket instanceof TLSSocket || !(socket instanceof Socket);
		(socket as TrafficSocket).connection = this;
		socket.on('end', onSocketEnd);
		socket.on('error', onSocketError);
		socket.on('close', onSocketClose);
		const { reader } = socket as TrafficSocket;
		if (reader === undefined) socket.on('data', onSocketData);
		else reader.connection = this;
		socket.resume();
		return socket;
	}

	/** What the former connection on this socket had read and not used. */
	protected takeUnread(): void {
		const socket = this.socket as TrafficSocket;
		const { unread } = socket;
		socket.unread = undefined;
		if (unread !== undefined) this.dataReceived(unread);
	}

	/** For the listener of 'data'. */
	dataReceived(chunk: Buffer): void {
		if (!this.closed) this.#onRead(chunk.length, chunk);
	}

	/** Bytes have come, or `reprocess` asks to look again. Consumes from `chunk`. */
	protected abstract received(): void;
	/** The other side has closed its writing half. */
	protected abstract endReceived(): void;
	/** The socket is gone; `error` if it broke. Called once, not after `destroy`. */
	protected abstract lost(error: Error | undefined): void;
	/** A write with a callback has been taken by the kernel. */
	protected abstract written(): void;
	/** Something threw: end this connection, and only this one. */
	protected abstract crashed(error: unknown): void;

	/** Runs `work` of this connection; what it throws ends this connection and nothing else. */
	protected guarded(work: () => void): void {
		try {
			work.call(this);
		} catch (error) {
			this.crashed(error);
		}
	}

	#nextReadBuffer(): Buffer | undefined {
		const { buffers } = this;
		const current = this.#readBuffer;
		if (this.closed && current !== undefined) return undefined;
		if (this.bulk) {
			if (current === undefined || current === buffers.scratch || this.#readBufferGone) {
				this.#readBufferGone = false;
				this.#readBuffer = buffers.take();
				return this.#readBuffer;
			}
			return undefined;
		}
		if (current === buffers.scratch) return undefined;
		if (current !== undefined && !this.#readBufferGone) buffers.give(current);
		this.#readBufferGone = false;
		this.#readBuffer = buffers.scratch;
		return this.#readBuffer;
	}

	#onRead(byteCount: number, buffer: Buffer): boolean {
		this.thread.nowMs();
		try {
			if (this.chunkStart < this.chunkEnd) this.#append(buffer, byteCount);
			else {
				this.chunk = buffer;
				this.chunkStart = 0;
				this.chunkEnd = byteCount;
			}
			this.received();
			if (this.chunkStart < this.chunkEnd) this.#keepRest();
			else this.chunk = EMPTY_CHUNK;
		} catch (error) {
			this.crashed(error);
		}
		return !this.readPaused;
	}

	#append(buffer: Buffer, byteCount: number): void {
		this.chunk = Buffer.concat([this.chunk.subarray(this.chunkStart, this.chunkEnd), buffer.subarray(0, byteCount)]);
		this.chunkStart = 0;
		this.chunkEnd = this.chunk.length;
	}

	/** The bytes that stay are copied out of the buffer that is read into next. */
	#keepRest(): void {
		if (this.chunk !== this.#readBuffer) return;
		this.chunk = Buffer.from(this.chunk.subarray(this.chunkStart, this.chunkEnd));
		this.chunkStart = 0;
		this.chunkEnd = this.chunk.length;
	}

	protected get chunkLength(): number {
		return this.chunkEnd - this.chunkStart;
	}

	/** Works on bytes that were kept, when what they waited for has come. */
	protected reprocess(): void {
		if (this.closed || this.chunkStart === this.chunkEnd) return;
		this.received();
		if (this.chunkStart < this.chunkEnd) this.#keepRest();
		else this.chunk = EMPTY_CHUNK;
	}

	/**
	 * Passes bytes of this connection's chunk on to another one, between `prefix` and `suffix`. Little of it becomes one text. In
	 * a read buffer of its own it goes as it is. Out of the scratch buffer it is copied once, into a pooled one,
	 * because nobody can tell beforehand whether the kernel will take all of it.
	 */
	protected passOn(target: Connection, prefix: string, start: number, end: number, suffix = ''): void {
		const length = end - start + prefix.length + suffix.length;
		const { chunk } = this;
		if (target.copies) {
			target.writePart(chunk, start, end);
			return;
		}
		if (length <= SHORT_BYTES) {
			target.writeText(prefix + chunk.toString('latin1', start, end) + suffix);
			return;
		}
		if (chunk === this.#readBuffer && chunk !== this.buffers.scratch && !this.#readBufferGone) {
			if (prefix.length > 0) target.writeText(prefix);
			const view = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
			if (!target.writeBuffer(view, chunk)) this.#readBufferGone = true;
			if (suffix.length > 0) target.writeText(suffix);
			return;
		}
		const pooled = length <= READ_BUFFER_BYTES ? this.buffers.take() : undefined;
		const whole = pooled ?? Buffer.allocUnsafeSlow(length);
		if (prefix.length > 0) whole.write(prefix, 0, 'latin1');
		chunk.copy(whole, prefix.length, start, end);
		if (suffix.length > 0) whole.write(suffix, length - suffix.length, 'latin1');
		const done = target.writeBuffer(length === whole.length ? whole : whole.subarray(0, length), pooled);
		if (done && pooled !== undefined) this.buffers.give(pooled);
	}

	/** Passes on everything that has come; returns how many bytes that were. */
	passAll(target: Connection): number {
		const { chunkStart, chunkEnd } = this;
		this.chunkStart = chunkEnd;
		this.passOn(target, '', chunkStart, chunkEnd);
		return chunkEnd - chunkStart;
	}

	/** Works on bytes that were kept while nobody could take them. */
	flush(): void {
		this.reprocess();
	}

	get isPaused(): boolean {
		return this.readPaused;
	}

	protected get isEncrypted(): boolean {
		return this.#isEncrypted;
	}

	/** The other side has said that it sends no more. */
	get hasEnded(): boolean {
		return this.readEnded;
	}

	setDeadline(atMs: number): void {
		this.thread.wheel.set(this, atMs);
	}

	/** What is written to it is copied at once, without anything in front of it: into frames of HTTP/2. */
	get copies(): boolean {
		return false;
	}

	/** Where it `copies`: writes part of a buffer. */
	writePart(buffer: Buffer, start: number, end: number): void {
		this.writeBuffer(Buffer.from(buffer.subarray(start, end)), undefined);
	}

	/** No more will be written. */
	endWriting(): void {
		this.flushText();
		this.socket.end();
	}

	/** Writes a byte string: a short one together with others (deferred-writes.ts), unless something waits already. */
	writeText(text: string): void {
		if (this.closed) return;
		const whole = this.#deferred.length + text.length;
		if (this.#deferred !== '' && whole <= TEXT_WRITE_BYTES) {
			this.#deferred += text;
			return;
		}
		this.flushText();
		if (text.length <= TEXT_WRITE_BYTES && this.unwrittenBytes === 0) {
			this.#deferred = text;
			this.thread.writes.add(this);
		} else this.#writeTextNow(text);
	}

	/** Text that waits for the end of the round goes before what is written otherwise. */
	flushText(): void {
		const text = this.#deferred;
		if (text === '') return;
		this.#deferred = '';
		if (!this.closed) this.#writeTextNow(text);
	}

	#writeTextNow(text: string): void {
		if (text.length > TEXT_WRITE_BYTES || writeTextDirect(this, text) === Written.UNAVAILABLE) {
			this.socket.write(text, 'latin1');
		}
	}

	/**
	 * Writes a buffer. True: it is with the kernel and free again. False: the rest waits; then `pooled` is given
	 * back and `written` called.
	 */
	writeBuffer(view: Buffer, pooled: Buffer | undefined): boolean {
		if (this.closed) return true;
		this.flushText();
		const result = writeBufferDirect(this, view, pooled);
		if (result !== Written.UNAVAILABLE) return result === Written.DONE;
		this.#writeOrdinarily(view, pooled);
		return false;
	}

	#writeOrdinarily(view: Buffer, pooled: Buffer | undefined): void {
		this.#writing ??= [];
		this.#writing.push(pooled);
		this.#onWritten ??= () => {
			const written = this.#writing?.shift();
			if (written !== undefined) this.giveBack(written);
			if (!this.closed) this.guarded(this.written);
		};
		this.socket.write(view, this.#onWritten);
	}

	/** For direct-write.ts; null while the socket connects and when it is closed. */
	get handle(): StreamHandle | null {
		return this.#handle ?? this.#findHandle();
	}

	/** While connecting, the handle may still be replaced (an address that does not answer). */
	#findHandle(): StreamHandle | null {
		if (this.closed || this.#isEncrypted || this.socket.connecting) return null;
		this.#handle = (this.socket as unknown as { _handle: StreamHandle | null })._handle;
		return this.#handle;
	}

	directWritten(pooled: Buffer | undefined): void {
		if (pooled !== undefined) this.giveBack(pooled);
		if (!this.closed) this.guarded(this.written);
	}

	/** A pooled buffer that was written. */
	protected giveBack(pooled: Buffer): void {
		this.buffers.give(pooled);
	}

	/** Makes `written` be called when everything written so far has been taken. */
	notifyWhenWritten(): void {
		if (this.closed) return;
		this.flushText();
		this.#writeOrdinarily(EMPTY_CHUNK, undefined);
	}

	/** Bytes that wait for the other side to read. */
	get unwrittenBytes(): number {
		return this.socket.writableLength + this.directBytes;
	}

	/** A figure that changes while a slow reader takes anything at all. */
	protected get kernelQueueBytes(): number {
		return this.#isEncrypted ? this.socket.writableLength : (this.handle?.writeQueueSize ?? 0);
	}

	pauseReading(): void {
		if (this.readPaused || this.closed) return;
		this.readPaused = true;
		this.socket.pause();
	}

	/** Nobody can take what has come: no more than a buffer of it is kept. */
	pauseWhenFull(): void {
		if (this.chunkLength >= this.thread.bufsizeBytes) this.pauseReading();
	}

	resumeReading(): void {
		if (!this.readPaused || this.closed) return;
		this.readPaused = false;
		this.socket.resume();
	}

	/**
	 * Lets go of the socket for another protocol, which is to read the chunk again from `readBefore` bytes before what
	 * is left of it. Undefined when it cannot be handed on. The connection is closed then, and its socket is not.
	 */
	protected takeSocket(readBefore: number): Socket | undefined {
		const { socket, chunk, chunkStart, chunkEnd } = this;
		if (this.closed || !(socket instanceof Socket)) return undefined;
		this.flushText();
		const bytes = Buffer.from(chunk.subarray(chunkStart - readBefore, chunkEnd));
		this.closed = true;
		this.#handle = null;
		this.chunk = EMPTY_CHUNK;
		this.chunkStart = 0;
		this.chunkEnd = 0;
		this.readPaused = true;
		(socket as TrafficSocket).connection = undefined;
		socket.off('end', onSocketEnd);
		socket.off('error', onSocketError);
		socket.off('close', onSocketClose);
		socket.off('data', onSocketData);
		// Until the next owner listens.
		socket.on('error', ignore);
		socket.pause();
		(socket as TrafficSocket).unread = bytes;
		return socket;
	}

	/** Closes at once; `lost` is not called. */
	destroy(): void {
		if (this.closed) return;
		this.flushText();
		this.markClosed();
		this.socket.destroy();
	}

	/** Closes with a reset, so that the other side sees a break and not an end. */
	reset(): void {
		if (this.closed) return;
		this.flushText();
		this.markClosed();
		resetSocket(this.socket);
	}

	/** Everything but the end of the socket itself. */
	protected markClosed(): void {
		this.closed = true;
		this.#handle = null;
		this.chunk = EMPTY_CHUNK;
		this.chunkStart = 0;
		this.chunkEnd = 0;
		if (this.socket !== NO_SOCKET) (this.socket as TrafficSocket).connection = undefined;
		this.released();
	}

	/** The connection is closed, by whomever: take it out of the lists and the wheel. */
	protected abstract released(): void;

	/** For the socket's listeners below. */
	socketEnded(): void {
		if (this.closed || this.readEnded) return;
		this.readEnded = true;
		this.guarded(this.endReceived);
	}

	socketLost(error: Error | undefined): void {
		if (this.closed) return;
		this.markClosed();
		this.socket.destroy();
		try {
			this.lost(error);
		} catch (thrown) {
			this.crashed(thrown);
		}
	}
}

function ignore(): void {}

function onSocketData(this: Socket, chunk: Buffer): void {
	(this as TrafficSocket).connection?.dataReceived(chunk);
}

function onSocketEnd(this: Socket): void {
	(this as TrafficSocket).connection?.socketEnded();
}

function onSocketError(this: Socket, error: Error): void {
	(this as TrafficSocket).connection?.socketLost(error);
}

function onSocketClose(this: Socket): void {
	(this as TrafficSocket).connection?.socketLost(undefined);
}
