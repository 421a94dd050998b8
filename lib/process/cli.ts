/** `holdfast cli`: finds the stats socket and talks with it. */
import { readConfiguration } from '../config/index.js';
import type { StatsSocketModel } from '../config/model.js';
import { IpAddress, type SocketAddress } from '../core/address.js';
import { Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { converse, runCommand } from '../runtime-api/client.js';
import { LEVELS } from '../runtime-api/command.js';
import { configurationOptions, readConfigurationFiles } from './configuration.js';

export interface CliOptions {
	/** The words after the options, as one line; empty: a conversation. */
	readonly command: string;
	readonly configPaths: readonly string[];
	/** Path or `<address>:<port>`; goes before what the files say. */
	readonly socket: string | undefined;
}

/** Throws HoldfastError ARGUMENT_INVALID, FILE_UNREADABLE, CONFIG_INVALID or SOCKET_UNREACHABLE. */
export async function runCli(options: CliOptions): Promise<number> {
	const address = findSocket(options);
	if (options.command === '') await converse(address, process.stdin, process.stdout);
	else await runCommand(address, options.command, process.stdout);
	return 0;
}

/** Where the words of the command line lead to. Throws as `runCli`, but for SOCKET_UNREACHABLE. */
export function findSocket({ configPaths, socket }: Omit<CliOptions, 'command'>): SocketAddress {
	return socket === undefined ? configuredSocket(configPaths) : parseSocket(socket);
}

/** The socket of the files that gives the most rights. A file with mistakes elsewhere still tells its sockets. */
function configuredSocket(paths: readonly string[]): SocketAddress {
	if (paths.length === 0) {
		throw new HoldfastError('ARGUMENT_INVALID', 'the stats socket is found by -f <file>, or named by --socket <path>');
	}
	const options = configurationOptions(readConfigurationFiles(paths));
	const sockets = readConfiguration(options, new Diagnostics())?.global.statsSockets ?? [];
	const rank = ({ level }: StatsSocketModel): number => LEVELS.indexOf(level);
	const best = sockets.filter(({ address }) => address.kind !== 'fd').sort((a, b) => rank(b) - rank(a))[0];
	if (best === undefined) throw new HoldfastError('CONFIG_INVALID', `no 'stats socket' in ${paths.join(', ')}`);
	return best.address;
}

function parseSocket(text: string): SocketAddress {
	const match = /^(?:(?:ipv[46]|tcp)@)?\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/.exec(text);
	const ip = match === null ? undefined : IpAddress.parse(match[1] ?? '');
	if (match !== null && ip !== undefined) {
		return { kind: 'ip', address: ip.toString(), family: ip.family, port: Number(match[2]) };
	}
	return text.startsWith('abns@')
		? { kind: 'unix', path: text.slice('abns@'.length), abstract: true }
		: { kind: 'unix', path: text.replace(/^unix@/, ''), abstract: false };
}
