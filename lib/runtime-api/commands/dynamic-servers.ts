/** Servers that come and go at run time (management guide, 9.3): `add server`, `del server`. */
import { type Answer, type Command, fault, type Invocation } from '../command.js';
import { findBackend, findServer } from './names.js';

const UNAVAILABLE = fault('Servers cannot be added or removed here.');

function addServer({ words, view }: Invocation): Answer | Promise<Answer> {
	const name = words[2];
	const slash = name?.indexOf('/') ?? -1;
	if (name === undefined || slash < 0) return fault("Require 'backend/server'.");
	const traffic = findBackend(view, name.slice(0, slash));
	if (traffic === undefined) return fault('No such backend.');
	return view.dynamicServers?.add(traffic, [name.slice(slash + 1), ...words.slice(3)]) ?? UNAVAILABLE;
}

function removeServer({ words, view }: Invocation): Answer | Promise<Answer> {
	const named = findServer(view, words[2]);
	if ('severity' in named) return named;
	return view.dynamicServers?.remove(named.traffic, named.server) ?? UNAVAILABLE;
}

export const DYNAMIC_SERVER_COMMANDS: readonly Command[] = [
	{
		words: ['add', 'server'],
		level: 'admin',
		usage: 'add server <bk>/<srv> <addr> [opts]',
		help: 'create a new server, in maintenance; it is gone after a reload',
		run: addServer,
	},
	{
		words: ['del', 'server'],
		level: 'admin',
		usage: 'del server <bk>/<srv>',
		help: 'remove a server that is in maintenance and has no connection left',
		run: removeServer,
	},
];
