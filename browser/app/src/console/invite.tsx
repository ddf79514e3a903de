import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import type { Fault } from '../lib/fault'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { formFault, sayFault } from '../ui/toast'
import { Copy } from './copy'
import { type Project, useProjects, useRoles } from './data'
import { endOf, minuteOf, workWeek } from './limits'

export const zoneHere = Intl.DateTimeFormat().resolvedOptions().timeZone
type Days = 'daily' | 'workdays' | 'none'
const daysOf = { daily: [0, 1, 2, 3, 4, 5, 6], workdays: workWeek.map((h) => h.weekday), none: [] }

export interface Made {
  user: Schemas['Invitation']
  /** Is in a team, with hours: gets leads once signed in and available. */
  ready: boolean
}

/**
 * Invites somebody, with the team and the hours that let them have leads from
 * their first day: without hours nobody is offered any. A project given is
 * their team, and they are salespeople; else both can be chosen.
 */
export function InviteForm({ project, onMade }: { project?: Project; onMade: (made: Made) => void }) {
  const routes = !!useMay()('routing:manage')
  const projects = (useProjects().data ?? []).filter((p) => p.active)
  const named = useRoles()
  const [role, setRole] = useState('salesperson')
  const [team, setTeam] = useState('*')
  const [days, setDays] = useState<Days>('daily')
  const [fault, fail] = useState<Fault | null>(null)
  const [early, setEarly] = useState(false)
  const into = project ?? projects.find((p) => p.id === team)
  const hours = routes && (role === 'salesperson' || !!into)
  const zone = into?.time_zone ?? zoneHere
  const send = useMutation({
    mutationFn: async (f: Record<string, string>): Promise<Made> => {
      const user = await ok(api.POST('/v1/users', { body: { name: f.name!, email: f.email!, phone: f.phone || undefined, role, time_zone: zone } }))
      // From here on they are invited: what fails is told, and done again on their page.
      const shifts = hours ? daysOf[days].map((weekday) => ({ weekday, start_minute: minuteOf(f.from ?? ''), end_minute: endOf(f.until ?? '') })) : []
      try {
        if (shifts.length) await ok(api.PUT('/v1/users/{id}/shifts', { params: { path: { id: user.id } }, body: { shifts } }))
        if (into && routes) await ok(api.PUT('/v1/projects/{id}/pool/members/{user}', { params: { path: { id: into.id, user: user.id } }, body: {} }))
      } catch (e) {
        sayFault(e)
        return { user, ready: false }
      }
      return { user, ready: !!into && shifts.length > 0 }
    },
    onMutate: () => fail(null),
    onSuccess: (made) => {
      for (const key of ['users', 'pool', 'next-offer']) void queries.invalidateQueries({ queryKey: [key] })
      onMade(made)
    },
    onError: (e) => fail(formFault(e)),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = Object.fromEntries([...new FormData(e.currentTarget)].map(([k, v]) => [k, String(v).trim()]))
    const wrong = hours && days !== 'none' && endOf(f.until ?? '') <= minuteOf(f.from ?? '')
    setEarly(wrong)
    if (!wrong) send.mutate(f)
  }
  const f = fault?.fields ?? {}
  return (
    <form onSubmit={submit} className="grid max-w-120 gap-4">
      <Field name="name" label={t('console.person.name')} required fault={f.name} autoComplete="off" />
      <Field name="email" type="email" label={t('console.person.email')} required fault={f.email} inputClass="ltr" autoComplete="off" />
      <Field name="phone" type="tel" label={t('console.person.phone')} help={t('console.person.phoneHelp')} fault={f.phone} inputClass="ltr" autoComplete="off" />
      {!project && <Select label={t('console.col.role')} value={role} onChange={setRole} choices={named.choices} />}
      {!project && routes && <Select label={t('console.people.team')} value={team} onChange={setTeam} choices={[{ value: '*', label: t('console.people.noTeam') }, ...projects.map((p) => ({ value: p.id, label: p.name }))]} />}
      {hours && (
        <fieldset>
          <legend className="text-sm font-medium">{t('console.invite.hours')}</legend>
          <p className="text-sm text-soft">{t('console.invite.hoursHelp', { zone })}</p>
          <div className="mt-2 flex flex-wrap items-start gap-2">
            <Select hideLabel label={t('console.invite.days')} className="basis-full" value={days} onChange={setDays} choices={(['daily', 'workdays', 'none'] as const).map((d) => ({ value: d, label: t(`console.invite.${d}`) }))} />
            {days !== 'none' && (
              <>
                <Field name="from" type="time" hideLabel label={t('console.draft.from')} required defaultValue="09:00" className="min-w-0 flex-1" />
                <span className="pt-2 text-soft">{t('console.draft.to')}</span>
                <Field name="until" type="time" hideLabel label={t('console.draft.until')} required defaultValue="19:00" className="min-w-0 flex-1" fault={early ? t('console.invite.early') : undefined} />
              </>
            )}
          </div>
        </fieldset>
      )}
      <div><Button type="submit" look="primary" busy={send.isPending}>{t('console.invite.go')}</Button></div>
    </form>
  )
}

/** Where the person invited chooses a password. */
const joinAddress = (link: string) => `${location.origin}/app/join#${link}`

/** A one-time link, to hand over. */
export function OneTimeLink({ link, words }: { link: string; words?: string }) {
  return (
    <div>
      <p className="text-soft">{words ?? t('console.invite.words')}</p>
      <p dir="ltr" className="my-3 rounded bg-sunken p-3 font-mono text-xs break-all">{joinAddress(link)}</p>
      <Copy text={joinAddress(link)} words={t('console.invite.copy')} />
    </div>
  )
}

/** Who was invited, what they need now, and how they come to leads. */
export function Invited({ made }: { made: Made }) {
  return (
    <div className="max-w-140">
      <p className="font-medium">{t('console.start.seller.invited', { name: made.user.name })}</p>
      {made.ready && <p className="mt-1 mb-3 text-soft">{t('console.invite.ready')}</p>}
      <OneTimeLink link={made.user.link} />
    </div>
  )
}
