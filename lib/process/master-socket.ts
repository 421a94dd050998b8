/**
 * Where the master listens for its operator: `-S <address>[,<option>,<value>]...` (management guide, 9.4), else
 * beside the pid file, so that `holdfast reload` finds it by what start scripts know anyway.
 */
import { parseAddress } from '../config/address.js';
import { type SocketAddress, socketKey } from '../core/address.js';
import { HoldfastError } from '../core/errors.js';
import { LEVELS, type Level } from '../runtime-api/command.js';
import type { SocketRequest } from './listening-socket.js';

export interface MasterSocket {
	readonly request: SocketRequest;
	readonly level: Level;
}

/** Reads what follows `-S`. Throws HoldfastError ARGUMENT_INVALID. */
export function parseMasterSocket(text: string): MasterSocket {
	const [address = '', ...words] = text.split(',');
	const options = new Map<string, string>();
	for (let i = 0; i < words.length; i += 2) options.set(words[i] ?? '', words[i + 1] ?? '');
	let level: Level = 'admin';
	const numbers: { mode?: number; uid?: number; gid?: number } = {};
	for (const [name, value] of options) {
		if (name === 'level') {
			const known = LEVELS.find((one) => one === value);
			if (known === undefined) throw invalid(`-S: 'level' is one of ${LEVELS.join(', ')}, not '${value}'`);
			level = known;
		} else if (name === 'mode' || name === 'uid' || name === 'gid') {
			const pattern = name === 'mode' ? /^[0-7]{1,4}$/ : /^\d+$/;
			if (!pattern.test(value)) throw invalid(`-S: '${name}' cannot be '${value}'`);
			numbers[name] = Number.parseInt(value, name === 'mode' ? 8 : 10);
		} else throw invalid(`-S: unknown option '${name}', expected one of level, mode, uid, gid`);
	}
	return { request: requestOf(addressOf(address), numbers), level };
}

/** The socket that belongs to a pid file: for its owner only. */
export function socketOfPidfile(pidfile: string): MasterSocket {
	return {
		request: requestOf({ kind: 'unix', path: `${pidfile}.sock`, abstract: false }, { mode: 0o600 }),
		level: 'admin',
	};
}

/** The address of `-S`, for whoever wants to talk. Throws HoldfastError ARGUMENT_INVALID. */
export function addressOf(text: string): SocketAddress {
	const parsed = parseAddress(text, { port: 'required', anyHost: true, fd: true });
	if (!parsed.ok) throw invalid(`-S: ${parsed.reason}`);
	return parsed.address;
}

function requestOf(address: SocketAddress, numbers: { mode?: number; uid?: number; gid?: number }): SocketRequest {
	return {
		key: socketKey(address),
		address,
		v6only: false,
		mode: numbers.mode,
		uid: numbers.uid,
		gid: numbers.gid,
		acceptedBy: 'control thread',
		wantedBy: 'master socket',
	};
}

const invalid = (message: string): HoldfastError => new HoldfastError('ARGUMENT_INVALID', message);
