import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import type { Fault } from '../lib/fault'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Ago } from '../ui/time'
import { formFault, sayFault } from '../ui/toast'
import { type User, useProjects, useUsers } from './data'
import { Listing } from './listing'
import { Page } from './page'
import { Copy, joinAddress } from './start'
import { Presence } from './states'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/people')
export const roles = ['salesperson', 'manager', 'marketer', 'admin', 'auditor'] as const

/** The account's own roles, beside those that are built in. */
export function useRoles() {
  const own = useQuery({ queryKey: ['roles'], staleTime: 60_000, queryFn: () => ok(api.GET('/v1/roles', { params: { query: { limit: 500 } } })).then((l) => l.items) }).data ?? []
  const name = (role: string) => own.find((r) => r.id === role)?.name ?? tOf('role', role)
  return { name, choices: [...roles.map((r) => ({ value: r as string, label: tOf('role', r) })), ...own.map((r) => ({ value: r.id, label: r.name }))] }
}

const states: Record<string, 'good' | 'plain' | 'lost'> = { active: 'good', invited: 'plain', deactivated: 'lost' }
export const UserState = ({ state }: { state: string }) => <Badge tone={states[state]}>{tOf('console.userState', state)}</Badge>

/** Who works here, and who is invited. */
export function People() {
  const { project } = frame.useSearch()
  const { role } = here.useSearch()
  const may = useMay()
  const go = useNavigate()
  const users = useUsers()
  const named = useRoles()
  const pool = useQuery({ queryKey: ['pool', project], enabled: !!project, queryFn: () => ok(api.GET('/v1/projects/{id}/pool', { params: { path: { id: project! } } })) })
  const [inviting, invite] = useState(false)
  const manage = !!may('people:manage')
  useActs(manage ? [{ id: 'people.invite', words: t('console.people.invite'), keys: 'n', group: t('console.nav.people'), run: () => invite(true) }] : [])
  const shown = (users.data ?? []).filter((u) => (!role || u.role === role) && (!project || !pool.data || pool.data.members.some((m) => m.user_id === u.id)))
  return (
    <Page
      full
      title={t('console.nav.people')}
      action={
        <>
          <Select hideLabel className="w-44" label={t('console.col.role')} value={role ?? '*'} onChange={(v) => void go({ to: '.', search: (s: object) => ({ ...s, role: v === '*' ? undefined : v }) as never, replace: true })} choices={[{ value: '*', label: t('console.people.anyRole') }, ...named.choices]} />
          {manage && <Button look="primary" icon="plus" onClick={() => invite(true)}>{t('console.people.invite')}</Button>}
        </>
      }
    >
      <Listing
        query={users}
        rows={shown}
        empty={<Empty title={t('console.people.none')} words={t('console.people.noneWords')} />}
        keys={{ next: t('console.people.next'), before: t('console.people.before') }}
        label={t('console.nav.people')}
        rowKey={(u) => u.id}
        onOpen={(u) => void go({ to: '/console/people/$id', params: { id: u.id } })}
        columns={[
          { id: 'name', width: 'minmax(180px,2fr)', head: t('console.person.name'), cell: (u: User) => <span className="font-medium">{u.name}</span> },
          { id: 'role', width: 'minmax(130px,1fr)', head: t('console.col.role'), cell: (u: User) => named.name(u.role) },
          { id: 'state', width: '150px', head: t('console.col.state'), cell: (u: User) => <UserState state={u.state} /> },
          { id: 'presence', width: '150px', head: t('console.col.presence'), cell: (u: User) => (u.state === 'active' ? <Presence state={u.presence} /> : <span className="text-faint">–</span>) },
          { id: 'since', width: '100px', end: true, head: t('console.col.since'), cell: (u: User) => <Ago at={u.state === 'active' ? u.presence_since : u.created_at} /> },
        ]}
      />
      <Sheet open={inviting} onClose={() => invite(false)} title={t('console.people.invite')}>
        {inviting && <Invite onClose={() => invite(false)} />}
      </Sheet>
    </Page>
  )
}

function Invite({ onClose }: { onClose: () => void }) {
  const projects = useProjects().data ?? []
  const named = useRoles()
  const [role, setRole] = useState('salesperson')
  const [team, setTeam] = useState('*')
  const [made, setMade] = useState<Schemas['Invitation'] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const send = useMutation({
    mutationFn: async (f: Record<string, string>) => {
      const u = await ok(api.POST('/v1/users', { body: { name: f.name!, email: f.email!, phone: f.phone || undefined, role, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone } }))
      if (team !== '*') await ok(api.PUT('/v1/projects/{id}/pool/members/{user}', { params: { path: { id: team, user: u.id } }, body: {} })).catch(sayFault)
      return u
    },
    onMutate: () => fail(null),
    onSuccess: (u) => {
      setMade(u)
      void queries.invalidateQueries({ queryKey: ['users'] })
      void queries.invalidateQueries({ queryKey: ['pool'] })
    },
    onError: (e) => fail(formFault(e)),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(Object.fromEntries([...new FormData(e.currentTarget)].map(([k, v]) => [k, String(v).trim()])))
  }
  if (made) {
    return (
      <div className="space-y-4">
        <p className="font-medium">{t('console.start.seller.invited', { name: made.name })}</p>
        <OneTimeLink link={made.link} />
        <Button look="primary" onClick={onClose}>{t('common.close')}</Button>
      </div>
    )
  }
  const f = fault?.fields ?? {}
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field name="name" label={t('console.person.name')} required fault={f.name} autoComplete="off" />
      <Field name="email" type="email" label={t('console.person.email')} required fault={f.email} inputClass="ltr" autoComplete="off" />
      <Field name="phone" type="tel" label={t('console.person.phone')} help={t('console.person.phoneHelp')} fault={f.phone} inputClass="ltr" autoComplete="off" />
      <Select label={t('console.col.role')} value={role} onChange={setRole} choices={named.choices} />
      <Select label={t('console.people.team')} value={team} onChange={setTeam} choices={[{ value: '*', label: t('console.people.noTeam') }, ...projects.map((p) => ({ value: p.id, label: p.name }))]} />
      <div><Button type="submit" look="primary" busy={send.isPending}>{t('console.invite.go')}</Button></div>
    </form>
  )
}

/** A one-time link, to hand over. */
export function OneTimeLink({ link }: { link: string }) {
  return (
    <div>
      <p className="text-soft">{t('console.invite.words')}</p>
      <p dir="ltr" className="my-3 rounded bg-sunken p-3 font-mono text-xs break-all">{joinAddress(link)}</p>
      <Copy text={joinAddress(link)} words={t('console.invite.copy')} />
    </div>
  )
}
