/**
 * `show cache` (management guide, 9.3): the caches, and what is in each of them. Where HAProxy prints the addresses of
 * its memory, these are places in the cache's own: blocks of 1 kB.
 */
import { varyOf } from '../../cache/stored-response.js';
import type { Answer, Command, Invocation } from '../command.js';

const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`;

function showCache({ view }: Invocation): Answer {
	const nowMs = view.clock.monotonicMs();
	const lines: string[] = [];
	for (const [name, { store }] of view.caches ?? []) {
		const objects = store.list();
		// As HAProxy counts: all that a new object could have, which is what nobody reads just now.
		const busy = objects.reduce((sum, { pins, blocks }) => sum + (pins > 0 ? blocks : 0), 0);
		lines.push(`${hex(0)}: ${name} (shctx:${hex(0)}, available blocks:${store.blockCount - busy})`);
		for (const object of objects) {
			const { index, hash, head, bytes, blocks, pins, expiresMs } = object;
			const expire = Math.max(0, Math.floor((expiresMs - nowMs) / 1000));
			lines.push(
				`${hex(index)} hash:${hash} vary:${hex(varyOf(head), 16)} size:${bytes} (${blocks} blocks), refcount:${pins}, expire:${expire}`,
			);
		}
	}
	return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

export const CACHE_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'cache'],
		level: 'operator',
		usage: 'show cache',
		help: 'caches and what they hold',
		run: showCache,
	},
];
