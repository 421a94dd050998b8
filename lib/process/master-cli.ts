/**
 * The master's own socket (`-S`, management guide 9.4): `show proc`, `reload`, and with a prefix any command of
 * the worker's runtime API.
 *
 *     @1 show info      one command to the worker; @!<pid> by its pid; @1 alone: all that follow
 *     @master, @        back to the master
 *
 * `reload` answers when its outcome is known, as HAProxy does since 2.7: `Success=1` or `Success=0`, `--`, and
 * what there is to say. That is what `holdfast reload` reads.
 *
 * A reload of ours is a new generation of threads in the same worker, so former generations that still serve
 * are listed under "old workers" with the worker's pid.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { COMPATIBLE_VERSION } from '../core/version.js';
import { type Level, levelAllows } from '../runtime-api/command.js';
import { CommandReader, PAYLOAD_GOES_ON, type ParsedCommand, TOO_LONG } from '../runtime-api/command-line.js';
import type { SocketHandle } from './listening-socket.js';
import type { GenerationStatus } from './messages.js';

/** What the master's commands look at and do. */
export interface MasterView {
	readonly pid: number;
	readonly startedMs: number;
	readonly reloadCount: number;
	/** In a row. */
	readonly failedReloads: number;
	readonly workerPid: number | undefined;
	readonly generations: readonly GenerationStatus[];
	nowMs(): number;
	/** The outcome, and what is to be said about it. */
	reload(): Promise<{ readonly ok: boolean; readonly text: string }>;
	/** Runs a command in the worker; pieces are pulled. Undefined when there is no worker. */
	ask(command: ParsedCommand, level: Level): AsyncIterable<string> | undefined;
}

const LIMIT_BYTES = 16 * 1024;
const IDLE_TIMEOUT_MS = 600_000;
const MAX_CLIENTS = 64;

const HELP: readonly (readonly [usage: string, help: string])[] = [
	['@<relative pid>', 'send a command to the <relative pid> process'],
	['@!<pid>', 'send a command to the <pid> process'],
	['@master', 'send a command to the master process'],
	['operator', 'lower the level of the current CLI session to operator'],
	['reload', 'reload holdfast'],
	['show proc', 'show processes status'],
	['show version', 'show version of the current process'],
	['user', 'lower the level of the current CLI session to user'],
	['help', 'list all commands'],
	['prompt', 'toggle interactive mode with prompt'],
	['quit', 'disconnect'],
];

const HELP_TEXT = HELP.map(([usage, help]) => `  ${usage.padEnd(39)} : ${help}\n`).join('');

/** `show proc`. */
export function formatProcesses(view: MasterView): string {
	const row = (pid: string, type: string, reloads: string, uptime: string, version: string): string =>
		`${pid.padEnd(15)} ${type.padEnd(15)} ${reloads.padEnd(15)} ${uptime.padEnd(15)} ${version.padEnd(15)}\n`;
	const nowMs = view.nowMs();
	const uptime = (sinceMs: number): string => {
		const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
		const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
		return `${Math.floor(seconds / 86_400)}d${two((seconds / 3600) % 24)}h${two((seconds / 60) % 60)}m${two(seconds % 60)}s`;
	};
	const worker = ({ reloads, sinceMs }: GenerationStatus): string =>
		row(String(view.workerPid), 'worker', String(reloads), uptime(sinceMs), COMPATIBLE_VERSION);
	const serving = view.generations.filter(({ reloads }) => reloads === 0);
	const old = view.generations.filter(({ reloads }) => reloads > 0);
	return [
		row('#<PID>', '<type>', '<reloads>', '<uptime>', '<version>'),
		row(
			String(view.pid),
			'master',
			`${view.reloadCount} [failed: ${view.failedReloads}]`,
			uptime(view.startedMs),
			COMPATIBLE_VERSION,
		),
		'# workers\n',
		...(view.workerPid === undefined ? [] : serving.map(worker)),
		...(old.length === 0 ? [] : ['# old workers\n', ...old.map(worker)]),
		'# programs\n',
	].join('');
}

export class MasterCli {
	readonly #view: MasterView;
	readonly #level: Level;
	readonly #clients = new Set<Socket>();
	#server: Server | undefined;

	constructor(view: MasterView, level: Level) {
		this.#view = view;
		this.#level = level;
	}

	/** Listens on a socket that is bound. */
	listen(handle: SocketHandle): void {
		const server = createServer({ allowHalfOpen: true }, (socket) => {
			if (this.#clients.size >= MAX_CLIENTS) {
				socket.destroy();
				return;
			}
			this.#clients.add(socket);
			socket.once('close', () => this.#clients.delete(socket));
			void new MasterSession(socket, this.#view, this.#level).serve();
		});
		server.on('error', () => undefined);
		server.listen({ fd: handle.fd });
		this.#server = server;
	}

	close(): void {
		this.#server?.close();
		for (const client of this.#clients) client.destroy();
	}
}

type Target = 'master' | 'worker';

class MasterSession {
	readonly #socket: Socket;
	readonly #view: MasterView;
	readonly #reader = new CommandReader(LIMIT_BYTES);
	#level: Level;
	#interactive = false;
	#target: Target = 'master';
	#quitting = false;

	constructor(socket: Socket, view: MasterView, level: Level) {
		this.#socket = socket;
		this.#view = view;
		this.#level = level;
		socket.setEncoding('latin1');
		socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
		socket.on('error', () => socket.destroy());
	}

	async serve(): Promise<void> {
		try {
			for await (const text of this.#socket as AsyncIterable<string>) {
				this.#reader.push(text);
				await this.#answerLines();
				if (this.#quitting) break;
			}
			this.#socket.end();
		} catch {
			this.#socket.destroy();
		}
	}

	async #answerLines(): Promise<void> {
		for (let line = this.#reader.next(); line !== undefined && !this.#quitting; line = this.#reader.next()) {
			if (line === PAYLOAD_GOES_ON) continue;
			if (line === TOO_LONG) {
				await this.#write(`The command is longer than ${LIMIT_BYTES} bytes.\n\n`);
				this.#quitting = true;
				return;
			}
			for (const command of line.commands) if (!this.#quitting) await this.#answer(command);
			if (this.#interactive) await this.#write(this.#prompt());
			else this.#quitting = true;
		}
	}

	#prompt(): string {
		if (this.#target === 'worker') return `${this.#view.workerPid ?? 'no worker'}> `;
		return this.#view.failedReloads > 0 ? 'master[ReloadFailed]> ' : 'master> ';
	}

	async #answer(command: ParsedCommand): Promise<void> {
		const [first = '', ...rest] = command.words;
		if (!first.startsWith('@')) return this.#run(this.#target, command);
		const target = this.#targetOf(first);
		if (target === undefined) return this.#write(`Can't find the target PID matching the prefix '${first}'\n\n`);
		if (rest.length > 0) return this.#run(target, { words: rest, payload: command.payload });
		this.#target = target;
	}

	#targetOf(prefix: string): Target | undefined {
		if (prefix === '@' || prefix === '@master' || prefix === '@0') return 'master';
		const { workerPid, pid } = this.#view;
		if (prefix === `@!${pid}`) return 'master';
		return workerPid !== undefined && (prefix === '@1' || prefix === `@!${workerPid}`) ? 'worker' : undefined;
	}

	async #run(target: Target, command: ParsedCommand): Promise<void> {
		switch (command.words[0]) {
			case 'quit':
				this.#quitting = true;
				return;
			case 'prompt':
				this.#interactive = !this.#interactive;
				return this.#write('\n');
		}
		if (target === 'master') await this.#write(await this.#runHere(command.words));
		else await this.#forward(command);
		await this.#write('\n');
	}

	async #runHere(words: readonly string[]): Promise<string> {
		const line = words.join(' ');
		switch (line) {
			case '':
				return '';
			case 'help':
				return `The following commands are valid at this level:\n${HELP_TEXT}`;
			case 'show proc':
				return formatProcesses(this.#view);
			case 'show version':
				return `${COMPATIBLE_VERSION}\n`;
			case 'operator':
			case 'user':
				if (!levelAllows(this.#level, line)) return 'Permission denied\n';
				this.#level = line;
				return '';
			case 'reload': {
				if (!levelAllows(this.#level, 'operator')) return 'Permission denied\n';
				const { ok, text } = await this.#view.reload();
				return `Success=${ok ? 1 : 0}\n--\n${text}`;
			}
			default:
				return `Unknown command: '${line}', but maybe one of the following ones is a better match:\n${HELP_TEXT}`;
		}
	}

	async #forward(command: ParsedCommand): Promise<void> {
		const pieces = this.#view.ask(command, this.#level);
		if (pieces === undefined) return this.#write("Can't find the target CLI!\n");
		for await (const piece of pieces) await this.#write(piece);
	}

	/** Writes, and returns when the client has taken enough. Rejects when it has gone. */
	async #write(text: string): Promise<void> {
		const socket = this.#socket;
		if (socket.destroyed) throw new Error('the client has gone');
		if (text === '' || socket.write(text, 'latin1')) return;
		await new Promise<void>((resolve, reject) => {
			const settle = (): void => {
				socket.off('drain', settle);
				socket.off('close', settle);
				if (socket.destroyed) reject(new Error('the client has gone'));
				else resolve();
			};
			socket.once('drain', settle);
			socket.once('close', settle);
		});
	}
}
