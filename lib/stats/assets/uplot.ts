/**
 * uPlot (MIT, https://github.com/leeoniya/uPlot), from its package as it is: read once, when the first page is asked for,
 * and sent from here, so that a browser needs nothing but the proxy itself.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const texts = new Map<string, string>();

/** A file of the package; empty when the program was installed without it, and the page goes without charts. */
function read(name: string): string {
	let text = texts.get(name);
	if (text === undefined) {
		try {
			const folder = dirname(createRequire(import.meta.url).resolve('uplot'));
			text = readFileSync(join(folder, name), 'latin1');
		} catch {
			text = '';
		}
		texts.set(name, text);
	}
	return text;
}

export const chartsScript = (): string => read('uPlot.iife.min.js');
export const chartsStyle = (): string => read('uPlot.min.css');
