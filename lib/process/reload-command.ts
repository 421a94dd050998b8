/**
 * `holdfast reload`: finds the master of a running Holdfast, asks it to read its files again, and tells what
 * came of it.
 *
 *     0  the new configuration serves
 *     1  it was refused, the former one goes on; the reasons were printed
 *     2  no master was found, or it did not answer
 */
import { readFileSync } from 'node:fs';
import { readConfiguration } from '../config/index.js';
import type { SocketAddress } from '../core/address.js';
import { Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { connectTo } from '../runtime-api/client.js';
import { configurationOptions, readConfigurationFiles } from './configuration.js';
import { addressOf, socketOfPidfile } from './master-socket.js';

export interface ReloadOptions {
	/** `-S` of the running program. */
	readonly socket: string | undefined;
	readonly pidfile: string | undefined;
	/** Files that may name the pid file. */
	readonly configPaths: readonly string[];
}

export async function runReload(options: ReloadOptions): Promise<number> {
	const print = (text: string): void => {
		process.stderr.write(text.endsWith('\n') || text === '' ? text : `${text}\n`);
	};
	let address: SocketAddress;
	try {
		address = masterAddress(options);
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		print(error.message);
		return 2;
	}
	let answer: string;
	try {
		answer = await ask(address, 'reload');
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		const name = address.kind === 'unix' ? address.path : options.socket;
		print(`no master answers at ${name} (${error.message})${hint(options)}`);
		return 2;
	}
	const [, success, text] = /^Success=([01])\n--\n([\s\S]*?)\n*$/.exec(answer) ?? [];
	if (success === undefined) {
		print(answer === '' ? 'the master closed the connection without an answer' : answer.trimEnd());
		return 2;
	}
	print(text ?? '');
	print(success === '1' ? 'Reload succeeded.' : 'Reload failed, the former configuration goes on serving.');
	return success === '1' ? 0 : 1;
}

function masterAddress({ socket, pidfile, configPaths }: ReloadOptions): SocketAddress {
	if (socket !== undefined) return addressOf(socket.split(',')[0] ?? '');
	const path = pidfile ?? configuredPidfile(configPaths);
	if (path === undefined) {
		throw new HoldfastError(
			'ARGUMENT_INVALID',
			'where is the master? Give its socket with -S, its pid file with -p, or with -f the files that name one.',
		);
	}
	return socketOfPidfile(path).request.address;
}

/** A file with mistakes still tells its pid file: mistakes are why one reloads. */
function configuredPidfile(paths: readonly string[]): string | undefined {
	if (paths.length === 0) return undefined;
	const options = configurationOptions(readConfigurationFiles(paths));
	return readConfiguration(options, new Diagnostics())?.global.pidfile;
}

function hint({ socket, pidfile }: ReloadOptions): string {
	if (socket !== undefined || pidfile === undefined) return '';
	try {
		const pid = Number(readFileSync(pidfile, 'latin1').trim().split('\n')[0]);
		return `; the pid file names ${pid}: 'kill -USR2 ${pid}' reloads without an answer`;
	} catch {
		return `; there is no ${pidfile} either`;
	}
}

async function ask(address: SocketAddress, command: string): Promise<string> {
	const socket = await connectTo(address);
	socket.setEncoding('latin1');
	socket.end(`${command}\n`);
	let answer = '';
	try {
		for await (const text of socket as AsyncIterable<string>) answer += text;
	} catch (cause) {
		throw new HoldfastError('SOCKET_UNREACHABLE', 'the connection broke', { cause });
	}
	return answer;
}
