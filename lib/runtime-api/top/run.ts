/**
 * `holdfast top` at work: looks each second, and draws on a terminal or prints on paper. The terminal is given back as
 * it was on every way out: `q`, a signal, an error.
 *
 * The screen is another one than that of the shell (1049), so that what stood there is there again afterwards. A
 * program that is away is no reason to leave: it may be restarting, which is when one looks.
 */

import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { reasonOf } from '../../core/errors.js';
import { press, splitKeys } from './choices.js';
import { type Choices, screen } from './screen.js';
import type { Looks } from './sections.js';
import type { TopSnapshot } from './snapshot.js';
import type { TopSource } from './source.js';

type Terminal = WriteStream & { readonly fd: number };

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[?25h\x1b[?1049l';
const PAPER_COLUMNS = 120;

export interface TopOptions {
	readonly intervalMs: number;
	readonly choices: Choices;
	readonly hasColour: boolean;
}

/** Prints `count` screens; with more than one, the first comes after an interval, so that it has rates. */
export async function printTop(
	source: TopSource,
	{ intervalMs, choices, hasColour }: TopOptions,
	count: number,
	columns: number | undefined,
	print: (text: string) => void,
	pause: (ms: number) => Promise<void>,
): Promise<void> {
	// One look tells no rates of counters: there are always two.
	let before: TopSnapshot = await source.look();
	for (let printed = 0; printed < count; printed++) {
		await pause(intervalMs);
		const now = await source.look();
		const lines = screen({ now, before }, choices, { columns: columns ?? PAPER_COLUMNS, rows: undefined }, hasColour);
		print(`${printed === 0 ? '' : '\n'}${lines.join('\n')}\n`);
		before = now;
	}
}

/** Draws until the user leaves; resolves with the exit code. */
export function drawTop(source: TopSource, options: TopOptions, input: ReadStream, output: Terminal): Promise<number> {
	return new Promise((resolve, reject) => {
		const top = new LiveTop(source, options, input, output, (code, error) =>
			error === undefined ? resolve(code) : reject(error),
		);
		top.start();
	});
}

class LiveTop {
	readonly #source: TopSource;
	readonly #options: TopOptions;
	readonly #input: ReadStream;
	readonly #output: Terminal;
	readonly #done: (code: number, error?: unknown) => void;
	#choices: Choices;
	#looks: Looks | undefined;
	#trouble: string | undefined;
	#timer: NodeJS.Timeout | undefined;
	#isLooking = false;
	#isEntered = false;
	#isOver = false;

	constructor(
		source: TopSource,
		options: TopOptions,
		input: ReadStream,
		output: Terminal,
		done: (code: number, error?: unknown) => void,
	) {
		this.#source = source;
		this.#options = options;
		this.#choices = options.choices;
		this.#input = input;
		this.#output = output;
		this.#done = done;
	}

	start(): void {
		// Whatever ends the process: the last thing it does is to give the terminal back.
		process.on('exit', this.#leaveScreen);
		for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, this.#signalled);
		process.on('SIGCONT', this.#continued);
		process.on('uncaughtException', this.#crashed);
		this.#input.on('data', this.#pressed);
		this.#input.on('end', this.#inputEnded);
		this.#input.on('error', this.#inputEnded);
		this.#output.on('error', this.#inputEnded);
		this.#output.on('resize', this.#draw);
		this.#enterScreen();
		this.#draw();
		void this.#look();
	}

	#end(code: number, error?: unknown): void {
		if (this.#isOver) return;
		this.#isOver = true;
		clearTimeout(this.#timer);
		this.#leaveScreen();
		process.off('exit', this.#leaveScreen);
		for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.off(signal, this.#signalled);
		process.off('SIGCONT', this.#continued);
		process.off('uncaughtException', this.#crashed);
		this.#output.off('resize', this.#draw);
		this.#input.pause();
		this.#done(code, error);
	}

	readonly #signalled = (signal: NodeJS.Signals): void => this.#end(signal === 'SIGINT' ? 130 : 143);
	readonly #crashed = (error: unknown): void => this.#end(1, error);
	readonly #inputEnded = (): void => this.#end(0);

	#enterScreen(): void {
		if (this.#isEntered) return;
		this.#isEntered = true;
		this.#input.setRawMode(true);
		this.#input.resume();
		this.#output.write(ENTER);
	}

	/** At once and not through the stream: the process may be at its end. */
	readonly #leaveScreen = (): void => {
		if (!this.#isEntered) return;
		this.#isEntered = false;
		try {
			writeSync(this.#output.fd, LEAVE);
			this.#input.setRawMode(false);
		} catch {
			// The terminal is gone, and nothing to give back.
		}
	};

	readonly #continued = (): void => {
		if (this.#isOver) return;
		this.#isEntered = false;
		this.#enterScreen();
		this.#draw();
	};

	readonly #pressed = (chunk: Buffer | string): void => {
		for (const key of splitKeys(chunk.toString('latin1'))) {
			const wasPaused = this.#choices.isPaused;
			const effect = press(key, this.#choices);
			if (effect === 'quit') {
				this.#end(0);
				return;
			}
			if (effect === 'suspend') {
				this.#leaveScreen();
				process.kill(process.pid, 'SIGTSTP');
				return;
			}
			this.#choices = effect;
			if (wasPaused && !effect.isPaused) void this.#look();
		}
		this.#draw();
	};

	async #look(): Promise<void> {
		if (this.#isLooking || this.#isOver) return;
		this.#isLooking = true;
		clearTimeout(this.#timer);
		try {
			const now = await this.#source.look();
			this.#looks = { now, before: this.#looks?.now };
			this.#trouble = undefined;
		} catch (error) {
			this.#trouble = `${reasonOf(error)}; trying again`;
		}
		this.#isLooking = false;
		if (this.#isOver) return;
		if (!this.#choices.isPaused) this.#timer = setTimeout(() => void this.#look(), this.#options.intervalMs);
		this.#draw();
	}

	readonly #draw = (): void => {
		if (!this.#isEntered || this.#isOver) return;
		const { columns, rows } = this.#output;
		const size = { columns: columns || 80, rows: rows || 24 };
		const lines = screen(this.#looks, this.#choices, size, this.#options.hasColour, this.#trouble);
		// Line by line over what stands there, and the rest of each cleared: nothing flickers.
		this.#output.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
	};
}
