/** Converters of addresses (manual, 7.3.1). */
import type { IpAddress } from '../../core/address.js';
import type { ConverterDescriptor } from '../types.js';
import { numberArgument, optional, required } from './define.js';

export const IP_CONVERTERS: readonly ConverterDescriptor[] = [
	{
		name: 'ipmask',
		args: [required('mask4'), optional('mask6')],
		input: 'addr',
		output: 'addr',
		compile: ([mask4Argument, mask6Argument]) => {
			const mask4 = numberArgument(mask4Argument) ?? 32;
			const mask6 = numberArgument(mask6Argument);
			return (value) => {
				const address = carriedV4(value as IpAddress);
				if (address.family === 4) return address.mask(mask4);
				return mask6 === undefined ? undefined : address.mask(mask6);
			};
		},
	},
];

/** `::ffff:a.b.c.d` is the IPv4 address a.b.c.d; the other forms that carry one stay IPv6 here. */
function carriedV4(address: IpAddress): IpAddress {
	const bytes = address.v6;
	if (bytes === undefined || bytes[10] !== 0xff || bytes[11] !== 0xff) return address;
	return address.toV4() ?? address;
}
