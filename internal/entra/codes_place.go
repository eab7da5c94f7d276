package entra

import (
	"slices"
	"strconv"
	"strings"
)

// center is where all the places are (entra.md §2.7 says who does what there).
const center = "Entra admin center › "

// codePlaces are where an administrator or the help desk sees and mends what AADSTS
// numbers speak of.
var codePlaces = []struct {
	place string
	codes []int
}{
	{center + "Monitoring & health › Sign-in logs › the sign-in › tab Conditional Access, which names the policy",
		[]int{50005, 50072, 50074, 50076, 50078, 50079, 50097, 50127, 50129, 50131, 50155, 50158, 53000, 53001, 53002, 53003, 53004, 53011, 530003, 530004, 530032, 530035, 70043, 70044}},
	{center + "Enterprise applications › the app › Users and groups", []int{50105, 501051}},
	{center + "Enterprise applications › the app › Permissions", []int{65001, 90093, 90094, 90095}},
	{center + "Enterprise applications › the app, or App registrations where it is missing", []int{50001, 500011, 70001, 7000112, 700011, 700016, 7000229}},
	{center + "App registrations › the app › API permissions", []int{65005, 650052, 650056, 650057}},
	{center + "App registrations › the app › Certificates & secrets", []int{50012, 70002, 70021, 700024, 700027, 700030, 700211, 700212, 700213, 7000215, 7000216, 7000222}},
	{center + "App registrations › the app › Authentication", []int{50011, 500113, 700051, 700054, 700025, 7000218, 900971, 9002325, 9002326, 9002327}},
	{center + "Users › the person", []int{50014, 50034, 50053, 50055, 50056, 50057, 50126, 50135, 50144, 51004}},
	{center + "External Identities › Cross-tenant access settings", []int{500212, 500213}},
}

// CodePlace returns where in the Entra admin center that is which a code speaks of;
// "" for a code that has no place there.
func CodePlace(code string) string {
	number, err := strconv.Atoi(strings.TrimPrefix(code, aadstsPrefix))
	if err != nil || !strings.HasPrefix(code, aadstsPrefix) {
		return ""
	}
	for _, one := range codePlaces {
		if slices.Contains(one.codes, number) {
			return one.place
		}
	}
	return ""
}
