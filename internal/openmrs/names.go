package openmrs

// Names as clinics meet them: with accents, apostrophes, blanks and other scripts, all within the Basic Multilingual
// Plane because OpenMRS's utf8 columns take nothing else.

func femaleNames() []string {
	return []string{"Achieng", "Amina", "Beatriz", "Chloé", "Đặng Thị", "Eunice", "Fatuma", "Grace", "Inês", "Jane", "Khadija",
		"Laïla", "Marie-Claire", "Mwanaisha", "Nasra", "Ölga", "Rehema", "Sara", "Tendai", "Wanjiru", "Zoë", "ፍቅርተ"}
}

func maleNames() []string {
	return []string{"Abdi", "Björn", "Chinedu", "Daniel", "Émile", "Farah", "Gilberto", "Hassan", "Ian", "João", "Kamau",
		"Léopold", "Musa", "Nuno", "Otieno", "Paulo", "Quentin", "Rashid", "Samuel", "Tomé", "Wafula", "Yusuf", "አበበ"}
}

func familyNames() []string {
	return []string{"Abdullahi", "Banda", "Chirwa", "d'Almeida", "Etxeberria", "Faye", "Gonçalves", "Hassan", "Iglesias", "Juma",
		"Kiprotich", "Lumumba", "Mwangi", "N'Diaye", "Njoroge", "O'Hara", "Ouédraogo", "Phiri", "Rakotomalala", "Sørensen",
		"Tembo", "van der Merwe", "Wekesa", "Yılmaz", "Zulu", "李"}
}

func villages() []string {
	return []string{"Kibuye", "Nyalenda", "Manyatta", "Ahero", "Chulaimbo", "Kombewa", "Maseno", "Ukwala", "São Tomé", "Ville-Haute"}
}

func (c *clinic) givenName(gender string) string {
	if gender == "F" {
		return pick(c, femaleNames())
	}
	return pick(c, maleNames())
}

// texts are what is typed into free-text questions; line breaks, quotes and backslashes included.
func texts() []string {
	return []string{
		"Patient well, no complaints.",
		"c/o fever × 3 days, chills. RDT positive → AL given.",
		"Tousse depuis 2 semaines; crachats envoyés au laboratoire.",
		"Amepewa dawa na kurudi baada ya wiki mbili.",
		"Says \"pain under the ribs\"; abdomen soft.\nReview on Friday.",
		"Path of the old record: C:\\records\\2009\\box 7",
		"100% of pills taken; it's going well",
		"Weight has gone up since the last visit.\r\n- diet: maize, beans\r\n- exercise: walks to market",
		"NULL",
		" ",
	}
}
