/**
 * One client of the runtime API: reads lines, runs their commands one after the other, writes the answers.
 *
 * Each answer is followed by an empty line; in interactive mode a prompt follows, otherwise the connection closes when
 * every line that has come is answered (management guide, 9.3). A client may send end-of-stream behind its
 * command, as socat does, and still gets the answer.
 *
 * Nothing is unbounded: input beyond a buffer is left to the system until what came before is done; an answer is
 * written a buffer at a time and the next piece is only made when the client has read; the timeout closes
 * whoever neither sends nor reads. Long answers are made in slices, between which everything else has its turn.
 */
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
	type Answer,
	type CliState,
	isMessage,
	type Level,
	type Message,
	SEVERITY_NAMES,
	Severity,
} from './command.js';
import { CommandReader, type InputLine, PAYLOAD_GOES_ON, type ParsedCommand, TOO_LONG } from './command-line.js';
import type { CommandRegistry } from './registry.js';
import type { RuntimeView } from './runtime-view.js';

/** An answer is written in pieces of about this size. */
const PIECE_BYTES = 16 * 1024;
/** How long an answer is worked on before others have their turn. */
const SLICE_MS = 5;

export interface CliSessionOptions {
	readonly socket: Socket;
	readonly level: Level;
	readonly registry: CommandRegistry;
	/** What is true now: asked for each command, so that a client sees the new configuration after a reload. */
	readonly view: () => RuntimeView;
	readonly timeoutMs: number;
	/** `tune.bufsize`. */
	readonly limitBytes: number;
	/** A bug in a command: logged, and answered as an internal error. */
	readonly onBug: (error: unknown, command: string) => void;
	readonly onClose: () => void;
}

export class CliSession {
	readonly #options: CliSessionOptions;
	readonly #socket: Socket;
	readonly #reader: CommandReader;
	readonly #abort = new AbortController();
	readonly #state: CliState;
	#working = false;
	#hasAnswered = false;
	#inputEnded = false;
	#waitingForDrain = false;
	#closed = false;
	#wakeWriter: (() => void) | undefined;
	/** Set while a command goes on until there is input. */
	#interruption: AbortController | undefined;

	constructor(options: CliSessionOptions) {
		const { socket } = options;
		this.#options = options;
		this.#socket = socket;
		this.#reader = new CommandReader(options.limitBytes);
		this.#state = {
			level: options.level,
			interactive: false,
			severityOutput: 'none',
			timeoutMs: options.timeoutMs,
			expertMode: false,
			experimentalMode: false,
			quitting: false,
			signal: this.#abort.signal,
			interrupt: () => this.#interruptible(),
		};
		socket.setEncoding('latin1');
		socket.setTimeout(options.timeoutMs);
		socket.on('data', (text) => this.#received(text as unknown as string));
		socket.on('end', () => {
			this.#inputEnded = true;
			this.#interruption?.abort();
			void this.#work();
		});
		socket.on('drain', () => this.#wakeWriter?.());
		socket.on('timeout', () => {
			// A command that takes its time is no idle client; one that does not read its answer is.
			if (!this.#working || this.#waitingForDrain) this.close();
		});
		socket.on('error', () => this.close());
		socket.on('close', () => this.#ended());
	}

	get state(): Readonly<CliState> {
		return this.#state;
	}

	close(): void {
		this.#socket.destroy();
	}

	#ended(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#abort.abort();
		this.#interruption?.abort();
		this.#wakeWriter?.();
		this.#options.onClose();
	}

	/** What has been sent behind the command stops it like what is typed later. */
	#interruptible(): AbortSignal {
		const interruption = new AbortController();
		this.#interruption = interruption;
		if (this.#inputEnded || this.#closed || this.#reader.pendingBytes > 0) interruption.abort();
		return interruption.signal;
	}

	#received(text: string): void {
		if (this.#interruption !== undefined) {
			this.#interruption.abort();
			return;
		}
		this.#reader.push(text);
		// Input is read on while a command runs, so that a client that leaves is noticed; up to a buffer.
		if (this.#working && this.#reader.pendingBytes > this.#options.limitBytes) this.#socket.pause();
		void this.#work();
	}

	async #work(): Promise<void> {
		if (this.#working || this.#closed) return;
		this.#working = true;
		try {
			while (await this.#answerLines()) await this.#moreMayHaveCome();
		} catch (error) {
			this.#options.onBug(error, '');
			this.close();
		} finally {
			this.#working = false;
		}
	}

	/**
	 * A client may write many lines at once, and the system hands them over in pieces: what has come by the time that
	 * the former ones are answered is read before the connection is closed.
	 */
	async #moreMayHaveCome(): Promise<void> {
		this.#socket.resume();
		// Resumed in one turn, read in the next.
		await nextTurn();
		await nextTurn();
	}

	/** Answers all lines that are there; true when the connection is to be closed unless there are more. */
	async #answerLines(): Promise<boolean> {
		let answered = false;
		while (!this.#closed && !this.#state.quitting) {
			const line = this.#reader.next();
			if (line === undefined) break;
			if (line === PAYLOAD_GOES_ON) {
				if (this.#state.interactive) await this.#write('+ ');
				continue;
			}
			if (line === TOO_LONG) {
				await this.#write(`The command is longer than ${this.#options.limitBytes} bytes.\n\n`);
				this.#state.quitting = true;
				break;
			}
			answered = true;
			this.#hasAnswered = true;
			await this.#answerLine(line);
		}
		if (this.#closed) return false;
		const finished = !this.#state.interactive && !this.#reader.inPayload;
		if (answered && finished && !this.#state.quitting && !this.#inputEnded) return true;
		if (this.#state.quitting || this.#inputEnded || (this.#hasAnswered && finished)) {
			this.#socket.end(() => this.close());
		} else if (this.#socket.isPaused()) this.#socket.resume();
		return false;
	}

	async #answerLine(line: InputLine): Promise<void> {
		for (const command of line.commands) {
			if (this.#closed || this.#state.quitting) return;
			await this.#answerCommand(command);
			if (this.#state.timeoutMs !== this.#socket.timeout) this.#socket.setTimeout(this.#state.timeoutMs);
		}
		if (this.#state.interactive && !this.#state.quitting) await this.#write('> ');
	}

	async #answerCommand(command: ParsedCommand): Promise<void> {
		const { words } = command;
		switch (words[0]) {
			case 'quit':
				this.#state.quitting = true;
				return;
			case 'prompt':
				this.#state.interactive = !this.#state.interactive;
				return this.#write('\n');
			case 'help':
				return this.#write(`${this.#options.registry.help(words.slice(1), this.#state.level)}\n\n`);
		}
		let answer: Answer;
		try {
			const { registry, view } = this.#options;
			const { payload } = command;
			answer = await registry.run({ words, payload, view: view(), state: this.#state });
			await this.#writeAnswer(answer);
		} catch (error) {
			this.#options.onBug(error, words.join(' '));
			await this.#write('Internal error, see the log.\n');
		} finally {
			this.#interruption = undefined;
		}
		await this.#write('\n');
	}

	async #writeAnswer(answer: Answer): Promise<void> {
		if (typeof answer === 'string') return this.#write(answer);
		if (isMessage(answer)) return this.#write(this.#messageText(answer));
		let piece = '';
		let sliceStart = performance.now();
		for await (const text of answer) {
			piece += text;
			if (this.#closed) return;
			const isLong = performance.now() - sliceStart >= SLICE_MS;
			if (piece.length < PIECE_BYTES && !isLong) continue;
			if (piece !== '') await this.#write(piece);
			piece = '';
			if (this.#closed) return;
			if (isLong) {
				await nextTurn();
				sliceStart = performance.now();
			}
		}
		if (piece !== '') await this.#write(piece);
	}

	#messageText({ severity, message }: Message): string {
		const number = Severity[severity];
		switch (this.#state.severityOutput) {
			case 'none':
				return `${message}\n`;
			case 'number':
				return `[${number}]: ${message}\n`;
			case 'string':
				return `[${SEVERITY_NAMES[severity]}]: ${message}\n`;
		}
	}

	/** Writes, and returns when the client has taken enough for more to be made. */
	async #write(text: string): Promise<void> {
		if (this.#closed || text === '') return;
		if (this.#socket.write(text, 'latin1')) return;
		this.#waitingForDrain = true;
		await new Promise<void>((resolve) => {
			this.#wakeWriter = resolve;
			if (this.#closed) resolve();
		});
		this.#wakeWriter = undefined;
		this.#waitingForDrain = false;
	}
}
