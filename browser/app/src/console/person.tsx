import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { purpose, useSession } from '../lib/session'
import { t, tOf } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm, Dialog } from '../ui/dialog'
import { Menu } from '../ui/menu'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { Changes } from './changes'
import { useProjects, useRoles } from './data'
import { OneTimeLink } from './invite'
import { DaysOff } from './daysoff'
import { Page, Part, Sorry } from './page'
import { Leave } from './leave'
import { LoadPart } from './load'
import { UserState } from './people'
import { ShiftForm } from './shifts'
import { Presence } from './states'
import { Fact } from './story'
import { Week } from './week'

const here = getRouteApi('/inside/console/people/$id')

/** One colleague: role, shifts, teams, and where they are signed in. */
export function Colleague() {
  const { id } = here.useParams()
  const may = useMay()
  const user = useQuery({ queryKey: ['users', id], queryFn: () => ok(api.GET('/v1/users/{id}', { params: { path: { id } } })) })
  if (user.isError && faultOf(user.error).status === 404) return <Missing />
  if (user.isError && !user.data) return <Sorry error={user.error} again={() => void user.refetch()} />
  const u = user.data
  if (!u) return <Page title={t('console.nav.people')}><Rows n={5} tall /></Page>
  return (
    <Page title={<span className="flex flex-wrap items-center gap-3">{u.name}<UserState state={u.state} />{u.state === 'active' && <Presence state={u.presence} />}</span>} words={<Link to="/console/people" className="underline underline-offset-4">{t('console.nav.people')}</Link>} action={<>{may('record:read') && <Link to="/console/openings" search={{ actor: u.id }} className="text-sm text-accent underline-offset-4 hover:underline">{t('console.openings.theirs')}</Link>}{may('people:manage') && <Acts user={u} />}</>}>
      <div className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-2">
        <About user={u} />
        <Teams user={u} />
        <LoadPart user={u.id} />
        <Week user={u.id} zone={u.time_zone} />
        <ShiftForm user={u.id} may={!!may('routing:manage')} />
        <DaysOff user={u.id} />
        {may('people:manage') && <Sessions user={u} />}
        {may('people:manage') && <Phones user={u} />}
        {may('people:manage') && <Changes about={u.id} />}
      </div>
    </Page>
  )
}

const renew = () => {
  void queries.invalidateQueries({ queryKey: ['users'] })
  void queries.invalidateQueries({ queryKey: ['pool'] })
}

function About({ user: u }: { user: Schemas['Colleague'] }) {
  const may = useMay()
  const self = useSession()?.user_id === u.id
  const named = useRoles()
  const [asked, ask] = useState(false)
  const contact = useQuery({
    queryKey: ['users', u.id, 'contact'],
    enabled: asked,
    queryFn: () => ok(api.GET('/v1/users/{id}', { params: { path: { id: u.id }, query: { include: 'person' } }, headers: { 'Catchment-Purpose': purpose() } })).then((x) => x.person),
  })
  const [role, setRole] = useState<string | null>(null)
  const change = useMutation({
    mutationFn: (r: string) => ok(api.PATCH('/v1/users/{id}', { params: { path: { id: u.id } }, body: { role: r } })),
    onSuccess: () => say(t('console.people.changed'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      setRole(null)
      renew()
    },
  })
  return (
    <Part title={t('console.people.about')}>
      <dl className="space-y-3">
        <Fact words={t('console.col.role')}>
          {may('people:manage') && !self ? <Select hideLabel className="max-w-60" label={t('console.col.role')} value={u.role} onChange={(v) => v !== u.role && setRole(v)} choices={named.choices} /> : named.name(u.role)}
        </Fact>
        {u.state === 'invited' && u.invitation_expires_at && <Fact words={t('console.userState.invited')}>{Date.parse(u.invitation_expires_at) > Date.now() ? <>{t('console.people.invitedUntil')} <When at={u.invitation_expires_at} /></> : <span className="text-warm">{t('console.people.invitationOver')}</span>}</Fact>}
        <Fact words={t('console.start.project.zone')}><span className="ltr">{u.time_zone}</span></Fact>
        {contact.data ? (
          <>
            <Fact words={t('console.person.email')}><span className="ltr">{contact.data.email ?? '–'}</span></Fact>
            <Fact words={t('console.person.phone')}><span className="ltr figures">{contact.data.phone ?? '–'}</span></Fact>
          </>
        ) : may('people:manage') ? (
          <Fact words={t('console.person.email')}><Button look="quiet" icon="lock" className="-ms-3" busy={contact.isFetching} onClick={() => ask(true)}>{t('console.people.show')}</Button></Fact>
        ) : null}
      </dl>
      <Confirm open={!!role} onClose={() => setRole(null)} title={t('console.people.roleAsk', { role: named.name(role ?? '') })} words={t('console.people.roleWords')} verb={t('console.people.roleDo')} busy={change.isPending} onYes={() => role && change.mutate(role)} />
    </Part>
  )
}

/** In which projects' teams they are. */
function Teams({ user: u }: { user: Schemas['Colleague'] }) {
  const may = useMay()
  const projects = useProjects().data
  const pools = useQuery({
    queryKey: ['pool', 'of', u.id, projects?.map((p) => p.id).join()],
    enabled: !!projects,
    queryFn: () => Promise.all(projects!.map((p) => ok(api.GET('/v1/projects/{id}/pool', { params: { path: { id: p.id } } })).catch((e) => (faultOf(e).status === 404 ? null : Promise.reject(e))))),
  })
  const set = useMutation({
    mutationFn: ({ project, join }: { project: string; join: boolean }): Promise<unknown> => {
      const params = { path: { id: project, user: u.id } }
      return join ? ok(api.PUT('/v1/projects/{id}/pool/members/{user}', { params, body: {} })) : ok(api.DELETE('/v1/projects/{id}/pool/members/{user}', { params }))
    },
    onError: sayFault,
    onSettled: renew,
  })
  return (
    <Part title={t('console.people.teams')}>
      {pools.isPending ? <Rows n={3} /> : (
        <ul>
          {projects?.map((p, i) => {
            const pool = pools.data?.[i]
            const m = pool?.members.find((x) => x.user_id === u.id && x.active)
            return (
              <li key={p.id} className="flex min-h-11 items-center gap-3 border-b border-line text-sm">
                <label className="flex flex-1 items-center gap-3">
                  <input type="checkbox" className="size-4 accent-accent" checked={!!m} disabled={!pool || !may('routing:manage') || set.isPending} onChange={(e) => set.mutate({ project: p.id, join: e.target.checked })} />
                  <span className="font-medium">{p.name}</span>
                </label>
                {m && <span className="text-soft">{m.lead && !m.offers ? t('console.people.leads') : t('console.people.offered', { count: m.offers_made })}</span>}
                {m && !m.on_shift && <Badge>{t('console.board.offShift')}</Badge>}
              </li>
            )
          })}
        </ul>
      )}
    </Part>
  )
}

/** Where they are signed in; ended at once, on every node within seconds. */
function Sessions({ user: u }: { user: Schemas['Colleague'] }) {
  const path = { path: { id: u.id } }
  const list = useQuery({ queryKey: ['users', u.id, 'sessions'], queryFn: () => ok(api.GET('/v1/users/{id}/sessions', { params: path })).then((l) => l.items) })
  const end = useMutation({
    mutationFn: (session_id: string | null): Promise<unknown> => (session_id ? ok(api.DELETE('/v1/users/{id}/sessions/{session_id}', { params: { path: { id: u.id, session_id } } })) : ok(api.DELETE('/v1/users/{id}/sessions', { params: path }))),
    onSuccess: () => say(t('me.device.ended'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => void list.refetch(),
  })
  return (
    <Part title={t('console.people.sessions')} action={!!list.data?.length && <Button look="quiet" busy={end.isPending} onClick={() => end.mutate(null)}>{t('console.people.endAll')}</Button>}>
      {list.isPending ? <Rows n={2} /> : list.data?.length === 0 ? <p className="text-soft">{t('console.people.noSessions')}</p> : (
        <ul>
          {list.data?.map((s) => (
            <li key={s.id} className="flex min-h-13 items-center gap-3 border-b border-line py-2 text-sm">
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{s.device ?? t('me.device.unknown')}</span>
                <span className="block text-xs text-soft">{t('me.device.seen')} <Ago at={s.seen_at} phrase /> · {s.factors.map((f) => tOf('factor.name', f.factor)).join(', ')} · <When at={s.created_at} /></span>
              </span>
              <Button look="quiet" onClick={() => end.mutate(s.id)}>{t('me.device.end')}</Button>
            </li>
          ))}
        </ul>
      )}
    </Part>
  )
}

/** Phones that keep leads under a key of which we have a share; without it the file is unreadable. */
function Phones({ user: u }: { user: Schemas['Colleague'] }) {
  const [ask, show] = useState<string | null>(null)
  const list = useQuery({ queryKey: ['users', u.id, 'devices'], queryFn: () => ok(api.GET('/v1/users/{id}/devices', { params: { path: { id: u.id } }, headers: { 'Catchment-Purpose': purpose() } })).then((l) => l.items) })
  const wipe = useMutation({
    mutationFn: (device_id: string): Promise<unknown> => ok(api.DELETE('/v1/users/{id}/devices/{device_id}', { params: { path: { id: u.id, device_id } } })),
    onSuccess: () => say(t('console.people.wiped'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      show(null)
      void list.refetch()
    },
  })
  return (
    <Part title={t('console.people.devices')}>
      {list.isPending ? <Rows n={1} /> : !list.data?.length ? <p className="text-soft">{t('console.people.noDevices')}</p> : (
        <ul>
          {list.data.map((d) => (
            <li key={d.id} className="flex min-h-13 items-center gap-3 border-b border-line py-2 text-sm">
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{d.device ?? t('me.device.unknown')}</span>
                <span className="block text-xs text-soft">{t('console.people.lease')} <When at={d.lease_until} /></span>
              </span>
              <Button look="quiet" onClick={() => show(d.id)}>{t('console.people.wipe')}</Button>
            </li>
          ))}
        </ul>
      )}
      <Confirm open={!!ask} onClose={() => show(null)} title={t('console.people.wipeAsk')} words={t('console.people.wipeWords')} verb={t('console.people.wipe')} busy={wipe.isPending} onYes={() => ask && wipe.mutate(ask)} />
    </Part>
  )
}

function Acts({ user: u }: { user: Schemas['Colleague'] }) {
  const self = useSession()?.user_id === u.id
  const [ask, show] = useState<'off' | 'factors' | null>(null)
  const [link, setLink] = useState<string | null>(null)
  const path = { path: { id: u.id } }
  const done = (words: ReactNode) => {
    say(String(words), { kind: 'good' })
    show(null)
    renew()
  }
  const state = useMutation({ mutationFn: () => ok(api.PATCH('/v1/users/{id}', { params: path, body: { state: 'active' } })), onSuccess: () => done(t('console.people.changed')), onError: sayFault })
  const factors = useMutation({ mutationFn: () => ok(api.DELETE('/v1/users/{id}/factors', { params: path })), onSuccess: () => done(t('console.people.factorsGone')), onError: sayFault })
  const withdraw = useMutation({ mutationFn: () => ok(api.DELETE('/v1/users/{id}/link', { params: path })), onSuccess: () => done(t('console.people.withdrawn')), onError: sayFault })
  const fresh = useMutation({ mutationFn: () => ok(api.POST('/v1/users/{id}/link', { params: path })), onSuccess: (i) => setLink(i.link), onError: sayFault })
  if (self) return null
  return (
    <>
      <Menu
        trigger={<Button icon="more" aria-label={t('console.people.more')} />}
        acts={[
          { words: t('console.people.link'), icon: 'key', disabled: u.state === 'deactivated', run: () => fresh.mutate() },
          ...(u.state === 'invited' && u.invited_at ? [{ words: t('console.people.withdraw'), icon: 'cross' as const, run: () => withdraw.mutate() }] : []),
          { words: t('console.people.factors'), icon: 'lock', run: () => show('factors') },
          null,
          u.state === 'deactivated' ? { words: t('console.people.on'), icon: 'check', run: () => state.mutate() } : { words: t('console.people.off'), icon: 'cross', lost: true, run: () => show('off') },
        ]}
      />
      <Dialog open={!!link} onClose={() => setLink(null)} title={t('console.people.link')} actions={<Button look="primary" onClick={() => setLink(null)}>{t('common.close')}</Button>}>{link && <OneTimeLink link={link} />}</Dialog>
      {ask === 'off' && <Leave user={u} onClose={() => show(null)} onDone={() => { show(null); renew() }} />}
      <Confirm open={ask === 'factors'} onClose={() => show(null)} title={t('console.people.factorsAsk', { name: u.name })} words={t('console.people.factorsWords')} verb={t('console.people.factors')} busy={factors.isPending} onYes={() => factors.mutate()} />
    </>
  )
}
