/**
 * Sockets that are bound here and listened on elsewhere.
 *
 * The master binds each address once and keeps the handle for life; a worker gets a duplicate for each of its
 * threads, over the channel between the two, and listens on that. So a reload or a crash of a worker never
 * closes the queue of connections that wait to be accepted. Node's public API binds and listens in one
 * step; `net._createServerHandle`, which its own cluster module uses for the same purpose, stops after bind.
 */

import dgram from 'node:dgram';
import { chmodSync, chownSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { listeningProxies } from '../config/check-log-forward.js';
import type { BindModel, ConfigModel, StatsSocketModel } from '../config/model.js';
import { datagramKey, formatSocketAddress, type SocketAddress, socketKey } from '../core/address.js';
import { HoldfastError, reasonOf } from '../core/errors.js';

/** A socket that the configuration asks for. */
export interface SocketRequest {
	readonly key: string;
	readonly address: SocketAddress;
	readonly v6only: boolean;
	readonly mode: number | undefined;
	readonly uid: number | undefined;
	readonly gid: number | undefined;
	/** Each data thread accepts on it, or one of them (datagrams), or the control thread alone (peers, runtime API). */
	readonly acceptedBy: 'data threads' | 'one data thread' | 'control thread';
	/** UDP. */
	readonly isDatagram?: boolean;
	/** `frontend fe`, for messages. */
	readonly wantedBy: string;
}

/** What Node passes over a channel and listens on: a TCP, UDP or pipe handle. */
export interface SocketHandle {
	readonly fd: number;
	/** TCP only; 0 or a negative error number. */
	getsockname?(out: object): number;
	close(): void;
}

export interface BoundSocket {
	readonly handle: SocketHandle;
	close(): void;
}

type CreateServerHandle = (
	address: string | null,
	port: number,
	addressType: 4 | 6 | -1,
	fd: number,
	flags: number,
) => SocketHandle | number;

/** UV_TCP_IPV6ONLY of libuv. */
const IPV6_ONLY = 1;

/**
 * Every socket that a configuration listens on, each once, in the order in which they are bound: whoever finds an
 * address of the traffic open finds the sockets to ask the program by open, too.
 */
export function socketRequests(model: ConfigModel): SocketRequest[] {
	const requests = new Map<string, SocketRequest>();
	const want = (
		bind: Pick<BindModel, 'address' | 'mode' | 'uid' | 'gid'> & { readonly v6only?: boolean },
		acceptedBy: SocketRequest['acceptedBy'],
		wantedBy: string,
	): void => {
		const key = socketKey(bind.address, bind.v6only);
		if (requests.has(key)) return;
		const { address, v6only = false, mode, uid, gid } = bind;
		requests.set(key, { key, address, v6only, mode, uid, gid, acceptedBy, wantedBy });
	};
	for (const socket of model.global.statsSockets) want(statsBind(socket), 'control thread', 'stats socket');
	const ofAggregators = model.aggregations.flatMap(({ section }) => section ?? []);
	for (const section of [...model.peers, ...ofAggregators]) {
		if (section.disabled) continue;
		const address = localPeerAddress(section);
		if (section.bind !== undefined) want(section.bind, 'control thread', `peers ${section.name}`);
		else if (address !== undefined) {
			want({ address, mode: undefined, uid: undefined, gid: undefined }, 'control thread', `peers ${section.name}`);
		}
	}
	for (const proxy of listeningProxies(model)) {
		if (proxy.disabled) continue;
		for (const bind of proxy.binds) want(bind, 'data threads', `${proxy.kind} ${proxy.name}`);
	}
	for (const { name, datagramBinds } of model.logForwards) {
		for (const { address, v6only } of datagramBinds) {
			const key = datagramKey(address, v6only);
			if (requests.has(key)) continue;
			const rest = { mode: undefined, uid: undefined, gid: undefined, isDatagram: true } as const;
			const wantedBy = `log-forward ${name}`;
			requests.set(key, { key, address, v6only, ...rest, acceptedBy: 'one data thread', wantedBy });
		}
	}
	return [...requests.values()];
}

function localPeerAddress(section: ConfigModel['peers'][number]): SocketAddress | undefined {
	return section.peers.find((peer) => peer.local)?.address;
}

function statsBind(socket: StatsSocketModel): Pick<BindModel, 'address' | 'mode' | 'uid' | 'gid'> {
	return socket;
}

/**
 * Binds one socket.
 * @throws HoldfastError BIND_FAILED with HAProxy's wording
 */
export function bindSocket(request: SocketRequest): BoundSocket {
	const { address } = request;
	switch (address.kind) {
		case 'fd':
			return created(request, createHandle(null, 0, -1, 0, address.fd));
		case 'unix':
			return bindUnix(request, address.path, address.abstract);
		case 'name':
			throw bindError(request, 'the name was not resolved');
		case 'ip': {
			const flags = request.v6only ? IPV6_ONLY : 0;
			if (request.isDatagram === true) return bindDatagrams(request, address, flags);
			return created(request, createHandle(address.address, address.port, address.family, flags));
		}
	}
}

type CreateDatagramHandle = (
	address: string,
	port: number,
	type: 'udp4' | 'udp6',
	fd: undefined,
	flags: number,
) => SocketHandle | number;

/**
 * What comes before anyone reads waits in the socket: nothing is lost over a reload. The function is called what it is
 * in Node's cluster module, which needs it for the same purpose; to others it is deprecated without a replacement.
 */
function bindDatagrams(request: SocketRequest, address: SocketAddress & { kind: 'ip' }, flags: number): BoundSocket {
	const create = (dgram as unknown as { _createSocketHandle: CreateDatagramHandle })._createSocketHandle;
	const { noDeprecation } = process;
	process.noDeprecation = true;
	try {
		return created(request, create(address.address, address.port, `udp${address.family}`, undefined, flags));
	} finally {
		process.noDeprecation = noDeprecation;
	}
}

function createHandle(
	address: string | null,
	port: number,
	type: 4 | 6 | -1,
	flags: number,
	fd = -1,
): SocketHandle | number {
	const create = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle;
	return create(address, port, type, fd, flags);
}

function created(request: SocketRequest, handle: SocketHandle | number): BoundSocket {
	if (typeof handle === 'number') throw bindError(request, describeErrno(handle));
	// libuv keeps "address already in use" to itself until somebody listens, or asks for the address.
	const delayed = handle.getsockname?.({}) ?? 0;
	if (delayed !== 0) {
		handle.close();
		throw bindError(request, describeErrno(delayed));
	}
	return { handle, close: () => handle.close() };
}

/**
 * A socket file is made under a name of its own and renamed over the old one, so that a client finds either
 * the old socket or the new one and never none; its rights are set before it can be seen.
 */
function bindUnix(request: SocketRequest, path: string, abstract: boolean): BoundSocket {
	if (abstract) return created(request, createHandle(`\0${path}`, -1, -1, 0));
	const temporary = `${path}.${process.pid}.tmp`;
	unlinkIfSocket(temporary);
	const socket = created(request, createHandle(temporary, -1, -1, 0));
	try {
		if (request.mode !== undefined) chmodSync(temporary, request.mode);
		if (request.uid !== undefined || request.gid !== undefined) {
			chownSync(temporary, request.uid ?? -1, request.gid ?? -1);
		}
		refuseOtherFile(request, path);
		renameSync(temporary, path);
	} catch (error) {
		socket.close();
		unlinkIfSocket(temporary);
		if (error instanceof HoldfastError) throw error;
		throw bindError(request, reasonOf(error));
	}
	return {
		handle: socket.handle,
		close: () => {
			socket.close();
			unlinkIfSocket(path);
		},
	};
}

/** A path that holds something else than a socket is a mistake in the file, not ours to replace. */
function refuseOtherFile(request: SocketRequest, path: string): void {
	const present = lstatSync(path, { throwIfNoEntry: false });
	if (present !== undefined && !present.isSocket()) throw bindError(request, `${path} exists and is not a socket`);
}

function unlinkIfSocket(path: string): void {
	if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
}

function bindError(request: SocketRequest, reason: string): HoldfastError {
	return new HoldfastError(
		'BIND_FAILED',
		`Starting ${request.wantedBy}: cannot bind socket (${reason}) [${formatSocketAddress(request.address)}]`,
	);
}

const ERRNO_TEXT: ReadonlyMap<number, string> = new Map([
	[-13, 'Permission denied'],
	[-98, 'Address already in use'],
	[-99, 'Cannot assign requested address'],
	[-2, 'No such file or directory'],
	[-22, 'Invalid argument'],
	[-24, 'Too many open files'],
	[-97, 'Address family not supported by protocol'],
]);

function describeErrno(code: number): string {
	return ERRNO_TEXT.get(code) ?? `error ${-code}`;
}
