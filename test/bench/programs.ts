/**
 * The programs that a benchmark starts, and what the system says of them: CPU time and resident memory of a
 * process with all its threads and descendants, read from /proc (Linux only; elsewhere everything that needs
 * it is skipped by name).
 *
 * Each program is bound to a core by `taskset` where there are two, so that the proxy under test has one
 * for itself and the load generator and the origin share the other. Every process is stopped by its id.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepts } from '../fixtures/ports.js';
import { waitFor } from '../fixtures/wait-for.js';

export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

/** Where a program lies, or undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
	const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
	return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function versionOf(path: string, args: readonly string[]): string {
	try {
		const text = execFileSync(path, [...args], { encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] });
		return /\d+\.\d+[.\d]*/.exec(text)?.[0] ?? '';
	} catch {
		return '';
	}
}

/** The words that start a command on one core, where there is more than one. */
export function pinned(core: number, command: readonly string[]): [string, ...string[]] {
	const taskset = findProgram('taskset');
	const words =
		taskset === undefined || availableParallelism() < 2 ? command : [taskset, '-c', String(core), ...command];
	return words as [string, ...string[]];
}

export const hasProcFs = existsSync('/proc/self/stat');

export class RunningProgram {
	readonly name: string;
	readonly port: number;
	readonly child: ChildProcess;
	readonly #folder: string;

	constructor(name: string, port: number, child: ChildProcess, folder: string) {
		this.name = name;
		this.port = port;
		this.child = child;
		this.#folder = folder;
	}

	/** Microseconds of CPU that it and its descendants have used, user and system. */
	cpuUs(): number {
		return this.#processes().reduce((sum, pid) => sum + cpuUsOf(pid), 0);
	}

	/** Resident bytes; memory shared between its processes is divided among them. */
	memoryBytes(): number {
		return this.#processes().reduce((sum, pid) => sum + memoryBytesOf(pid), 0);
	}

	#processes(): number[] {
		const pid = this.child.pid;
		return pid === undefined ? [] : withDescendants(pid);
	}

	async stop(): Promise<void> {
		const { child } = this;
		if (child.exitCode === null && child.signalCode === null) {
			const gone = new Promise((resolve) => child.once('exit', resolve));
			child.kill('SIGTERM');
			const hard = setTimeout(() => child.kill('SIGKILL'), 5000);
			await gone;
			clearTimeout(hard);
		}
		rmSync(this.#folder, { recursive: true, force: true });
	}
}

type Files = Readonly<Record<string, string | Buffer>>;

export interface StartOptions {
	readonly name: string;
	/** What it listens on, to know when it is ready. */
	readonly port: number;
	/** 127.0.0.1 if it is not told. */
	readonly host?: string;
	readonly core: number;
	/** Files written into a folder of its own, by name. */
	readonly files?: Files | ((folder: string) => Files);
	/** The command, given that folder. */
	readonly command: (folder: string) => readonly string[];
}

export async function start(options: StartOptions): Promise<RunningProgram> {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
	// nginx started by root reads its files as somebody else.
	chmodSync(folder, 0o755);
	const files = typeof options.files === 'function' ? options.files(folder) : (options.files ?? {});
	for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
	const [command, ...args] = pinned(options.core, options.command(folder));
	const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
	const program = new RunningProgram(options.name, options.port, child, folder);
	let output = '';
	child.stderr?.setEncoding('latin1').on('data', (text: string) => {
		if (output.length < 10_000) output += text;
	});
	try {
		await waitFor(`${options.name} to listen`, async () => {
			if (child.exitCode !== null) throw new Error(`${options.name} left at once:\n${output}`);
			return accepts(options.port, options.host);
		});
	} catch (error) {
		await program.stop();
		throw error;
	}
	return program;
}

/** This program of the tests, in TypeScript, as a process of its own. */
export function typescriptCommand(url: URL, args: readonly string[]): string[] {
	return [process.execPath, `--import=${import.meta.resolve('tsx')}`, fileURLToPath(url), ...args];
}

function withDescendants(root: number): number[] {
	const children = new Map<number, number[]>();
	for (const name of readdirSync('/proc')) {
		const pid = Number(name);
		if (!Number.isInteger(pid)) continue;
		const fields = statOf(pid);
		if (fields === undefined) continue;
		const parent = Number(fields[1]);
		children.set(parent, [...(children.get(parent) ?? []), pid]);
	}
	const found = [root];
	for (let index = 0; index < found.length; index++) found.push(...(children.get(found[index] as number) ?? []));
	return found;
}

/** The fields of /proc/<pid>/stat from the state on: after the name, which may hold spaces and parentheses. */
function statOf(pid: number): string[] | undefined {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
		return text.slice(text.lastIndexOf(')') + 2).split(' ');
	} catch {
		return undefined;
	}
}

/** USER_HZ, which the kernel's interface fixes at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const UTIME = 11;
const STIME = 12;

function cpuUsOf(pid: number): number {
	const fields = statOf(pid);
	if (fields === undefined) return 0;
	return ((Number(fields[UTIME]) + Number(fields[STIME])) * 1e6) / TICKS_PER_SECOND;
}

function memoryBytesOf(pid: number): number {
	try {
		const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
		return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
	} catch {
		return 0;
	}
}
