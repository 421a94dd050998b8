/** A data thread asks the control thread for the address of a name (`do-resolve`), and calls back who wanted it. */
import { IpAddress } from '../core/address.js';
import type { FromDataThread } from './messages.js';

export class NameClient {
	readonly #tell: (message: FromDataThread) => void;
	readonly #waiting = new Map<number, (address: IpAddress | undefined) => void>();
	#number = 0;

	constructor(tell: (message: FromDataThread) => void) {
		this.#tell = tell;
	}

	lookUp(section: string, name: string, prefer: 4 | 6, done: (address: IpAddress | undefined) => void): void {
		const number = ++this.#number;
		this.#waiting.set(number, done);
		this.#tell({ kind: 'name-question', number, section, name, prefer });
	}

	answered(number: number, address: string | undefined): void {
		const done = this.#waiting.get(number);
		this.#waiting.delete(number);
		done?.(address === undefined ? undefined : IpAddress.parse(address));
	}
}
