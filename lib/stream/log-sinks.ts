/**
 * Where log lines leave the process: descriptors, UDP, unix sockets. A sink takes a line at once or drops it;
 * it never blocks its thread and never waits for memory. What is dropped is counted, and said once when it
 * begins and once when it is over.
 *
 * Descriptors and streams hold at most `PENDING_BYTES_MAX` of lines. A descriptor is written by one `write` at a
 * time, in the order of the lines, with no more than PIPE_BUF bytes of whole lines: several threads write
 * to the same pipe, and only such writes are never mixed with those of another (POSIX `write`).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { write as writeDescriptor } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { bytesOf } from '../core/bytes.js';
import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { programPid } from '../core/program-pid.js';
import type { LogRing } from '../shared/log-ring.js';

/** Lines that a slow target may be behind. */
export const PENDING_BYTES_MAX = 1024 * 1024;
/** Datagrams that the kernel has not taken. */
const UDP_PENDING_BYTES_MAX = 256 * 1024;
/** Datagrams that go together at the end of a round of the event loop. */
const UDP_ROUND_MAX = 32;
/** Linux's PIPE_BUF. */
const ATOMIC_WRITE_BYTES = 4096;
/** A full pipe, a socket that refuses: next attempt. */
const RETRY_DELAY_MS = 10;
const RECONNECT_DELAY_MS = 1000;

export interface LogSink {
	/** Takes one whole line with its newline, a byte string. */
	send(line: string): void;
	/** Calls back when nothing is left to write, or cannot be. */
	end(done: () => void): void;
	readonly droppedCount: number;
}

/** Counts dropped lines and says so at the first one and at the end of the loss. */
export class DropReport {
	readonly #name: string;
	readonly #logger: Pick<Logger, 'warn' | 'error'>;
	count = 0;
	#sinceReport = 0;

	constructor(name: string, logger: Pick<Logger, 'warn' | 'error'>) {
		this.#name = name;
		this.#logger = logger;
	}

	dropped(reason: string, lines = 1): void {
		this.count += lines;
		const isFirst = this.#sinceReport === 0;
		this.#sinceReport += lines;
		if (isFirst) this.#logger.warn({ target: this.#name, reason }, 'log lines are being dropped');
	}

	/** A line was taken again. */
	flowing(): void {
		if (this.#sinceReport === 0) return;
		this.#logger.warn({ target: this.#name, lines: this.#sinceReport }, 'log lines were dropped');
		this.#sinceReport = 0;
	}
}

/** How lines are written to a descriptor: `fs.write`, or what a test puts in its place. */
export type WriteBytes = (
	fd: number,
	bytes: Uint8Array,
	done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

const writeFile: WriteBytes = (fd, bytes, done) => writeDescriptor(fd, bytes, 0, bytes.length, null, done);

/** stdout, stderr and `fd@N`. */
export class DescriptorSink implements LogSink {
	readonly #fd: number;
	readonly #clock: Clock;
	readonly #write: WriteBytes;
	readonly #drops: DropReport;
	/** Lines not handed to `write` yet, oldest first from `#next` on. */
	#lines: string[] = [];
	#next = 0;
	#pendingBytes = 0;
	#isWriting = false;
	/** What `write` left over of its last batch. */
	#rest: Uint8Array | undefined;
	#ended: (() => void)[] = [];

	constructor(fd: number, clock: Clock, logger: Pick<Logger, 'warn' | 'error'>, write: WriteBytes = writeFile) {
		this.#fd = fd;
		this.#clock = clock;
		this.#write = write;
		this.#drops = new DropReport(`fd@${fd}`, logger);
	}

	get droppedCount(): number {
		return this.#drops.count;
	}

	send(line: string): void {
		if (this.#pendingBytes + line.length > PENDING_BYTES_MAX) {
			this.#drops.dropped('the target is too slow');
			return;
		}
		this.#drops.flowing();
		this.#lines.push(line);
		this.#pendingBytes += line.length;
		if (!this.#isWriting) this.#pump();
	}

	end(done: () => void): void {
		if (this.#isWriting) this.#ended.push(done);
		else done();
	}

	#pump(): void {
		const batch = this.#rest ?? this.#nextBatch();
		if (batch === undefined) {
			this.#isWriting = false;
			const ended = this.#ended;
			this.#ended = [];
			for (const done of ended) done();
			return;
		}
		this.#isWriting = true;
		this.#write(this.#fd, batch, (error, written) => this.#written(batch, error, written));
	}

	#written(batch: Uint8Array, error: NodeJS.ErrnoException | null, written: number): void {
		if (error !== null && (error.code === 'EAGAIN' || error.code === 'EINTR')) {
			this.#rest = batch;
			this.#clock.setTimer(() => this.#pump(), RETRY_DELAY_MS);
			return;
		}
		const taken = error === null ? written : batch.length;
		this.#pendingBytes -= taken;
		this.#rest = taken < batch.length ? batch.subarray(taken) : undefined;
		if (error !== null) this.#drops.dropped(error.code ?? error.message);
		this.#pump();
	}

	/** Whole lines up to the size of an atomic write; a longer line goes alone. */
	#nextBatch(): Uint8Array | undefined {
		const lines = this.#lines;
		if (this.#next === lines.length) {
			if (this.#next > 0) {
				this.#lines = [];
				this.#next = 0;
			}
			return undefined;
		}
		let text = lines[this.#next++] as string;
		while (this.#next < lines.length && text.length + (lines[this.#next] as string).length <= ATOMIC_WRITE_BYTES) {
			text += lines[this.#next++] as string;
		}
		return bytesOf(text);
	}
}

/** A ring in memory: always there, never full (shared/log-ring.ts). */
export class RingSink implements LogSink {
	readonly #ring: LogRing;

	constructor(ring: LogRing) {
		this.#ring = ring;
	}

	/** What readers were too slow for is counted by the ring. */
	get droppedCount(): number {
		return 0;
	}

	send(line: string): void {
		this.#ring.write(line.endsWith('\n') ? line.slice(0, -1) : line);
	}

	end(done: () => void): void {
		done();
	}
}

/**
 * A syslog server by UDP: one datagram a line, sent without asking whether anyone listens. Those of one round of the event
 * loop go together at its end: the server is woken once for them, and requests are answered before they are logged.
 */
export class UdpSink implements LogSink {
	readonly #socket: UdpSocket;
	readonly #drops: DropReport;
	/** Lines until the host's name is resolved and the socket connected. */
	#waiting: string[] | undefined = [];
	#waitingBytes = 0;
	/** Lines of this round. */
	#round: string[] = [];
	#isClosed = false;

	constructor(host: string, port: number, logger: Pick<Logger, 'warn' | 'error'>) {
		this.#drops = new DropReport(`${host}:${port}`, logger);
		this.#socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
		this.#socket.unref();
		// "Port unreachable" is told to connected sockets at a later send: the line is lost, as by any UDP.
		this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#drops.dropped(error.code ?? error.message));
		this.#socket.connect(port, host, (error?: Error) => {
			const lines = this.#waiting ?? [];
			this.#waiting = undefined;
			this.#waitingBytes = 0;
			if (error !== undefined && error !== null) {
				this.#isClosed = true;
				this.#drops.dropped(error.message);
				return;
			}
			for (const line of lines) this.send(line);
		});
	}

	get droppedCount(): number {
		return this.#drops.count;
	}

	send(line: string): void {
		if (this.#waiting !== undefined) {
			this.#waitingBytes += line.length;
			if (this.#waitingBytes > UDP_PENDING_BYTES_MAX) this.#drops.dropped('the host is not resolved');
			else this.#waiting.push(line);
			return;
		}
		if (this.#isClosed) {
			this.#drops.dropped('no socket');
			return;
		}
		this.#round.push(line);
		if (this.#round.length === 1) setImmediate(this.#sendRound);
		else if (this.#round.length >= UDP_ROUND_MAX) this.#sendRound();
	}

	readonly #sendRound = (): void => {
		const lines = this.#round;
		if (lines.length === 0) return;
		this.#round = [];
		for (const line of lines) this.#sendNow(line);
	};

	#sendNow(line: string): void {
		if (this.#socket.getSendQueueSize() > UDP_PENDING_BYTES_MAX) {
			this.#drops.dropped('the network is too slow');
			return;
		}
		this.#drops.flowing();
		this.#socket.send(bytesOf(line), this.#sent);
	}

	readonly #sent = (error: Error | null): void => {
		if (error !== null) this.#drops.dropped((error as NodeJS.ErrnoException).code ?? error.message);
	};

	end(done: () => void): void {
		if (this.#isClosed) {
			done();
			return;
		}
		this.#sendRound();
		this.#isClosed = true;
		// Sends are handed to the kernel before the event loop comes round again.
		setImmediate(() => this.#socket.close(done));
	}
}

/**
 * A unix socket. Node speaks stream sockets only; `/dev/log` and its like are datagram sockets, for which lines go
 * through the system's own `logger` program (util-linux), started once per thread: it puts header, tag and pid
 * before each text itself, as in format `local`.
 */
export class UnixSink implements LogSink {
	readonly #path: string;
	readonly #tag: string;
	readonly #clock: Clock;
	readonly #logger: Pick<Logger, 'warn' | 'error'>;
	readonly #drops: DropReport;
	#socket: Socket | undefined;
	#helper: ChildProcess | undefined;
	/** Set when the socket turned out to be a datagram socket: lines then need `<priority>` and text only. */
	#isDatagram = false;
	#isConnected = false;
	#nextAttemptMs = 0;
	#waiting: [line: string, bare: string][] = [];
	#waitingBytes = 0;

	constructor(path: string, tag: string, clock: Clock, logger: Pick<Logger, 'warn' | 'error'>) {
		this.#path = path;
		this.#tag = tag;
		this.#clock = clock;
		this.#logger = logger;
		this.#drops = new DropReport(path, logger);
		this.#connect();
	}

	get droppedCount(): number {
		return this.#drops.count;
	}

	send(line: string): void {
		this.sendBoth(line, line);
	}

	/** `line` for a stream socket, `bare` (`<priority>text`) for the helper of a datagram socket. */
	sendBoth(line: string, bare: string): void {
		const output = this.#isDatagram ? this.#helper?.stdin : this.#isConnected ? this.#socket : undefined;
		if (output === undefined || output === null || !output.writable) {
			this.#waitingBytes += line.length;
			if (this.#waitingBytes > PENDING_BYTES_MAX) {
				this.#waitingBytes -= line.length;
				this.#drops.dropped('not connected');
			} else {
				this.#waiting.push([line, bare]);
			}
			this.#connect();
			return;
		}
		if (output.writableLength > PENDING_BYTES_MAX) {
			this.#drops.dropped('the target is too slow');
			return;
		}
		this.#drops.flowing();
		output.write(bytesOf(this.#isDatagram ? bare : line));
	}

	end(done: () => void): void {
		const output = this.#isDatagram ? this.#helper?.stdin : this.#socket;
		if (output === undefined || output === null || output.destroyed || !this.#isConnected) {
			this.#socket?.destroy();
			done();
		} else {
			output.end(() => done());
		}
	}

	#connect(): void {
		if (this.#isDatagram) {
			this.#startHelper();
			return;
		}
		const nowMs = this.#clock.monotonicMs();
		if (this.#socket !== undefined || nowMs < this.#nextAttemptMs) return;
		this.#nextAttemptMs = nowMs + RECONNECT_DELAY_MS;
		const socket = createConnection(this.#path);
		this.#socket = socket;
		socket.unref();
		socket.on('connect', () => {
			this.#isConnected = true;
			this.#flush();
		});
		socket.on('error', (error: NodeJS.ErrnoException) => {
			// "Protocol wrong type for socket": it takes datagrams.
			if (error.code === 'EPROTOTYPE') this.#isDatagram = true;
			else this.#drops.dropped(error.code ?? error.message);
		});
		socket.on('close', () => {
			this.#socket = undefined;
			this.#isConnected = false;
			if (this.#isDatagram) this.#startHelper();
		});
	}

	#startHelper(): void {
		const nowMs = this.#clock.monotonicMs();
		if (this.#helper !== undefined || nowMs < this.#nextAttemptMs - RECONNECT_DELAY_MS) return;
		this.#nextAttemptMs = nowMs + 2 * RECONNECT_DELAY_MS;
		const args = ['--socket', this.#path, '--socket-errors=off', '--prio-prefix', '--tag', this.#tag];
		const helper = spawn('logger', [...args, `--id=${programPid()}`], { stdio: ['pipe', 'ignore', 'ignore'] });
		this.#helper = helper;
		helper.unref();
		helper.on('error', (error: NodeJS.ErrnoException) => {
			this.#helper = undefined;
			const text = `'${this.#path}' takes datagrams, which need the program 'logger'`;
			if (error.code === 'ENOENT') this.#logger.error({ target: this.#path }, text);
			this.#drops.dropped(error.code ?? error.message);
		});
		helper.on('exit', () => {
			this.#helper = undefined;
		});
		helper.stdin?.on('error', (error: NodeJS.ErrnoException) => this.#drops.dropped(error.code ?? error.message));
		this.#isConnected = true;
		this.#flush();
	}

	#flush(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		this.#waitingBytes = 0;
		for (const [line, bare] of waiting) this.sendBoth(line, bare);
	}
}
