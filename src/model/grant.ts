/** Who may what: roles, and the grants that give them. What each role may is in the controller's table of rights. */
import { type Static, Type } from '#typebox';
import { Id, Labels, limits, Name, strict, system } from './fields.ts';

/** Roles in a tenant, the mightiest first. */
export const tenantRoles = ['tenant-admin', 'tenant-editor', 'viewer'] as const;
/** Roles in the installation. */
export const installationRoles = ['admin', 'operator'] as const;
export type Role = (typeof tenantRoles)[number] | (typeof installationRoles)[number];

/** What may stand for a user, and for a group. */
const subjectName = `[A-Za-z0-9][A-Za-z0-9._@+/:-]{0,${limits.subjectChars - 1}}`;
/** The name of a user. */
export const UserName = Type.String({ pattern: `^${subjectName}$`, description: 'As alice, or alice@example.org' });
/** The name of a group. */
export const GroupName = Type.String({ pattern: `^${subjectName}$`, description: 'As dev' });

const subject = Type.String({
  pattern: `^(user|group):${subjectName}$`,
  description: 'Who has it: user:alice, or everybody in group:dev',
});
const role = Type.Enum([...installationRoles, ...tenantRoles], {
  description: `In a tenant ${tenantRoles.join(', ')}; in the installation ${installationRoles.join(' or ')}`,
});

export const GrantInput = Type.Object({ name: Name, subject, role, labels: Type.Optional(Labels) }, strict);
export const Grant = Type.Object(
  {
    ...system,
    tenant: Type.Optional({ ...Id, description: 'Where it holds; absent of a role in the installation' }),
    name: Name,
    subject,
    role,
    labels: Labels,
  },
  strict,
);
export type GrantInput = Static<typeof GrantInput>;
export type Grant = Static<typeof Grant>;
