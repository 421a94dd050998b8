/**
 * Loaded into the program before it starts, by the build only (`node --require`): writes down the code cache of each of
 * its parts when that has done its work, with the functions that were compiled on the way.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import threads from 'node:worker_threads';
import type { FromDataThread } from '../../lib/process/messages.js';
import { writeCodeCache } from '../code-cache.js';

const PROGRAM = /([^/]+)\.program\.js$/;

class RecordedScript extends vm.Script {
	constructor(text: string, options: vm.ScriptOptions) {
		super(text, { ...options, cachedData: undefined });
		const filename = options.filename ?? '';
		const write = (): void => {
			writeCodeCache(filename.replace(PROGRAM, '$1.cache'), readFileSync(filename), this.createCachedData());
		};
		if (threads.isMainThread) process.on('exit', write);
		else beforeDrained(write);
	}
}

/** The control thread ends a data thread that has told so. */
function beforeDrained(write: () => void): void {
	const port = threads.parentPort;
	if (port === null) return;
	const post = port.postMessage.bind(port);
	port.postMessage = (message: FromDataThread): void => {
		if (message.kind === 'drained') write();
		post(message);
	};
}

Object.assign(vm, { Script: RecordedScript });
