/** How commands name proxies and servers: by name, or by number with a sharp (management guide, 9.3 `set weight`). */
import type { Server } from '../../backend/server.js';
import type { BackendTraffic } from '../../stream/proxies.js';
import { fault, type Message } from '../command.js';
import type { RuntimeView } from '../runtime-view.js';

export interface NamedServer {
	readonly traffic: BackendTraffic;
	readonly server: Server;
}

const number = (word: string): number | undefined => (/^#\d{1,9}$/.test(word) ? Number(word.slice(1)) : undefined);

export function findBackend(view: RuntimeView, word: string): BackendTraffic | undefined {
	const id = number(word);
	if (id === undefined) return view.backends.get(word);
	for (const traffic of view.backends.values()) if (traffic.model.id === id) return traffic;
	return undefined;
}

/** `backend/server`. */
export function findServer(view: RuntimeView, word: string | undefined): NamedServer | Message {
	const slash = word?.indexOf('/') ?? -1;
	if (word === undefined || slash < 0) return fault("Require 'backend/server'.");
	const traffic = findBackend(view, word.slice(0, slash));
	if (traffic === undefined) return fault('No such backend.');
	const name = word.slice(slash + 1);
	const id = number(name);
	const server = id === undefined ? traffic.backend.serverByName(name) : traffic.backend.serverById(id);
	return server === undefined ? fault('No such server.') : { traffic, server };
}

/** Data threads look again at a backend whose servers have changed in shared memory. */
export function serversChanged(view: RuntimeView, { model }: BackendTraffic): void {
	view.threads.tell({ kind: 'servers-changed', backend: model.name });
}

/** A whole number in decimal; undefined for anything else. */
export function wholeNumber(word: string | undefined): number | undefined {
	return word !== undefined && /^[+-]?\d{1,15}$/.test(word) ? Number(word) : undefined;
}
